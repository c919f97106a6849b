package e2e

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListOtherNetns: the inventory has the sockets of every network namespace, from
// whichever it runs in, and the filter selects one.
func TestListOtherNetns(t *testing.T) {
	onEnds(t)
	var p *pair
	var inode uint64
	inNetns(t, func() {
		p = newPair(t, security{"1.2", "AES-GCM-256", "sw"})
		var st unix.Stat_t
		must(t, unix.Stat("/proc/thread-self/ns/net", &st))
		inode = st.Ino
		if n := len(list(t)); n < 2 {
			t.Errorf("in its own namespace list finds %d sockets", n)
		}
	})
	defer p.close()
	here := newPair(t, security{"1.2", "AES-GCM-256", "sw"})
	defer here.close()
	all := list(t)
	found := all.filter(func(l *line) bool { return l.Sock.NetNS == inode })
	if len(found) != 2 || len(all) < 4 {
		t.Fatalf("%d sockets, %d of the other namespace: %+v", len(all), len(found), all)
	}
	only := list(t, "--netns", fmt.Sprint(inode))
	if len(only) != 2 || only[0].Sock.NetNS != inode || only[1].Sock.NetNS != inode {
		t.Errorf("with --netns: %+v", only)
	}
	for _, l := range found {
		// One end sends only, the other receives only.
		want := [2]string{"sw", "none"}
		if l.Sock.LPort == p.rport {
			want = [2]string{"none", "sw"}
		}
		if l.PID != os.Getpid() || [2]string{l.TX.Mode, l.RX.Mode} != want {
			t.Errorf("%+v, want modes %v", l, want)
		}
	}
}

// list returns the sockets that ktlstop list prints.
func list(t *testing.T, args ...string) trace {
	t.Helper()
	stdout, stderr, status := ktlstop(t, append([]string{"list", "-o", "json"}, args...)...)
	if status != 0 {
		t.Fatal(stderr)
	}
	return parse(t, []byte(stdout))
}

// inNetns runs f in a new network namespace with loopback up.
func inNetns(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	old, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(old)
	must(t, unix.Unshare(unix.CLONE_NEWNET))
	defer func() { must(t, unix.Setns(old, unix.CLONE_NEWNET)) }()
	loopbackUp(t)
	f()
}

func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	must(t, err)
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	must(t, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr))
}

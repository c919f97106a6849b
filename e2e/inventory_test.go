package e2e

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestListWithoutFiles: the inventory has sockets that no task has a file of, also in a
// network namespace that only sockets keep alive.
func TestListWithoutFiles(t *testing.T) {
	here := inFlight(t)
	var there *pair
	inNetns(t, func() { there = inFlight(t) })
	all := list(t)
	for _, p := range []*pair{here, there} {
		// The sender's end has its file, the receiver's none.
		found := all.filter(func(l *line) bool { return l.Sock.LPort == p.rport && l.Sock.RPort == p.lport })
		if len(found) != 1 || found[0].PID != 0 || found[0].RX.Mode != "sw" || found[0].Sock.Cookie == 0 || found[0].User != "" {
			t.Errorf("socket without a file: %+v, want one", found)
		}
	}
	if len(all) < 4 {
		t.Errorf("%d sockets, want 4: %+v", len(all), all)
	}
}

// inFlight returns a pair whose second socket is in flight between processes: no task has
// a file of it.
func inFlight(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	way, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	must(t, unix.Sendmsg(way[0], []byte{0}, unix.UnixRights(p.b), nil, 0))
	p.closeEnd(1)
	t.Cleanup(func() {
		unix.Close(way[0])
		unix.Close(way[1])
		p.closeEnd(0)
	})
	return p
}

// TestListKernelUser: a socket that only the kernel connection multiplexor holds is
// reported as its socket.
func TestListKernelUser(t *testing.T) {
	needReadSock(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	kcm := multiplexor(t, p.b, kcmSize)
	defer unix.Close(kcm)
	defer p.closeEnd(0)
	p.closeEnd(1)
	found := list(t, "--match", "kernel_user == kcm")
	if len(found) != 1 || found[0].PID != 0 || found[0].User != "kcm" || found[0].Sock.LPort != p.rport {
		t.Errorf("%+v", found)
	}
}

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tapped is a running ktlstop tap.
type tapped struct {
	*tracer
	name string
}

// startTap runs ktlstop tap and returns when its interface is there and its
// hooks are live.
func startTap(t *testing.T, name string, args ...string) *tapped {
	t.Helper()
	tr := &tracer{t: t, cmd: exec.Command(program, append([]string{"tap", name}, args...)...)}
	return &tapped{tr.start(), name}
}

func exists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// TestTapEnds: the interface answers nothing while it exists, and is removed with the
// command.
func TestTapEnds(t *testing.T) {
	onOneKernel(t)
	tp := startTap(t, "ktls1", "--mtu", "1500")
	i, err := net.InterfaceByName("ktls1")
	must(t, err)
	addrs, err := i.Addrs()
	must(t, err)
	if len(addrs) != 0 || i.MTU != 1500 || i.Flags&net.FlagUp == 0 {
		t.Errorf("%+v, addresses %v", i, addrs)
	}
	flags, err := os.ReadFile("/sys/class/net/ktls1/flags")
	must(t, err)
	var n int
	if _, err := fmt.Sscan(string(flags), &n); err != nil || n&unix.IFF_NOARP == 0 {
		t.Errorf("flags %s %v: ARP is on", flags, err)
	}
	_, stderr, status := ktlstop(t, "tap", "ktls1", "--duration", "1s")
	if status != 1 || !strings.Contains(stderr, "in use by ktlstop") || !exists("ktls1") {
		t.Errorf("a second tap of this name: status %d, %s", status, stderr)
	}
	must(t, tp.cmd.Process.Signal(syscall.SIGTERM))
	tp.wait()
	if exists("ktls1") {
		t.Error("the interface outlives SIGTERM")
	}
}

// TestTapSecondSignal: the interface is removed even if nothing else can finish.
func TestTapSecondSignal(t *testing.T) {
	onOneKernel(t)
	tp := startTap(t, "ktls8")
	// Stopped, so that it cannot end between the two.
	for _, s := range []os.Signal{syscall.SIGSTOP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCONT} {
		must(t, tp.cmd.Process.Signal(s))
	}
	tp.fails(130, "")
	if exists("ktls8") {
		t.Error("the interface outlives a second signal")
	}
}

// TestTapKilled: after a SIGKILL the next start names and removes the remains, and
// nothing else.
func TestTapKilled(t *testing.T) {
	onOneKernel(t)
	tp := startTap(t, "ktls2")
	must(t, tp.cmd.Process.Kill())
	<-tp.done
	if !exists("ktls2") {
		t.Log("the interface went with the process")
	}
	must(t, exec.Command(need(t, "ip"), "link", "add", "foreign0", "type", "dummy").Run())
	t.Cleanup(func() { must(t, exec.Command("ip", "link", "del", "foreign0").Run()) })
	next := startTap(t, "ktls3")
	// It has printed the line by now, but its output comes here through a pipe.
	next.waitFor(func() bool { return strings.Contains(next.stderr.String(), "removed the interface ktls2") })
	if exists("ktls2") {
		t.Error("ktls2 is still there")
	}
	must(t, next.cmd.Process.Signal(os.Interrupt))
	next.wait()
	_, stderr, status := ktlstop(t, "tap", "foreign0", "--duration", "1s")
	if status != 1 || !strings.Contains(stderr, "ktlstop did not make it") || strings.Count(stderr, "\n") != 1 || !exists("foreign0") {
		t.Errorf("a foreign interface: status %d, %s", status, stderr)
	}
}

// TestTapReachesNobody taps into a network namespace where a server listens on the same
// address and port as the traffic.
func TestTapReachesNobody(t *testing.T) {
	onEnds(t)
	p := newPair(t, security{"1.2", "AES-GCM-128", "sw"})
	defer p.close()
	var ns, listener, raw int
	inNetns(t, func() {
		var err error
		ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		must(t, err)
		listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		must(t, unix.Bind(listener, &unix.SockaddrInet4{Port: p.rport, Addr: [4]byte{127, 0, 0, 1}}))
		must(t, unix.Listen(listener, 8))
		// A raw socket gets a copy of all TCP that IP receives.
		raw, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		must(t, err)
	})
	for _, fd := range []int{ns, listener, raw} {
		defer unix.Close(fd)
	}
	tp := startTap(t, "ktls0", "--tap-netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns))
	var watch watcher
	var before, after string
	within(t, ns, func() { watch, before = watchInterface(t, "ktls0"), tcpCounters(t) })
	p.send(t, pattern(1000, 1), 0)
	p.recv(t, 1000, 1000)
	seen := 0
	tp.waitFor(func() bool { seen += watch.count(t); return seen >= 5 }) // handshake, record, acknowledgement
	within(t, ns, func() { after = tcpCounters(t) })
	if after != before {
		t.Errorf("TCP counted %s, then %s", before, after)
	}
	if _, _, err := unix.Accept(listener); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the listener: %v", err)
	}
	if _, _, err := unix.Recvfrom(raw, make([]byte, 100), 0); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the raw socket: %v", err)
	}
	must(t, tp.cmd.Process.Signal(os.Interrupt))
	tp.wait()
}

// within runs f in a network namespace.
func within(t *testing.T, ns int, f func()) {
	t.Helper()
	inNetns(t, func() {
		must(t, unix.Setns(ns, unix.CLONE_NEWNET))
		f()
	})
}

// tcpCounters is the line of numbers of this thread's namespace.
func tcpCounters(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	must(t, err)
	var last string
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "Tcp:") {
			last = l
		}
	}
	return last
}

// watcher is a packet socket on an interface of the thread's namespace.
type watcher int

func watchInterface(t *testing.T, name string) watcher {
	t.Helper()
	i, err := net.InterfaceByName(name)
	must(t, err)
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: all}))
	return watcher(fd)
}

// count empties the socket.
func (w watcher) count(t *testing.T) (n int) {
	t.Helper()
	for {
		_, _, err := unix.Recvfrom(int(w), make([]byte, 1<<16), 0)
		if errors.Is(err, unix.EAGAIN) {
			return n
		}
		must(t, err)
		n++
	}
}

// TestTapNewNamespace: the interface is in a namespace of the tap's own, which others
// can enter.
func TestTapNewNamespace(t *testing.T) {
	onOneKernel(t)
	tp := startTap(t, "ktls0", "--tap-netns", "new")
	if exists("ktls0") {
		t.Error("the interface is in this namespace")
	}
	var enter string
	tp.waitFor(func() (whole bool) {
		_, enter, _ = strings.Cut(tp.stderr.String(), "nsenter ")
		enter, _, whole = strings.Cut(enter, " ")
		return whole
	})
	out, err := exec.Command(need(t, "nsenter"), enter, "ip", "-o", "link", "show", "ktls0").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("UP")) {
		t.Errorf("%q: %v: %s", tp.stderr.String(), err, out)
	}
	must(t, tp.cmd.Process.Signal(os.Interrupt))
	tp.wait()
}

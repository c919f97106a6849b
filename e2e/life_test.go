package e2e

import (
	"bytes"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// playPassedSockets: one socket is used by the process that made it, by one that inherited
// it through fork and exec, and by one that got it over SCM_RIGHTS. Each record belongs to
// the process that made the call.
func playPassedSockets(t *testing.T) func(*testing.T, trace) {
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	heir := startActor(t, "heir", nil, p.files[0], p.files[1])
	here, there := unixPair(t)
	taker := startActor(t, "taker", nil, there)
	var passed [2]int
	for i, fd := range []int{p.a, p.b} {
		must(t, unix.Sendmsg(here, []byte{0}, unix.UnixRights(fd), nil, 0))
		passed[i] = taker.do(t, "take", 3)
	}
	const size = 20
	p.send(t, pattern(size, 0), 0)
	heir.do(t, "send", 3, size)
	taker.do(t, "send", passed[0], size)
	heir.do(t, "recv", 4, size)
	taker.do(t, "recv", passed[1], size)
	p.recv(t, size, size)
	heir.exit(t)
	taker.exit(t)
	p.close()
	return func(t *testing.T, got trace) {
		type owner struct {
			pid  int
			comm string
		}
		owners := func(tr trace) (all []owner) {
			for _, l := range tr {
				all = append(all, owner{l.PID, l.Comm})
			}
			return all
		}
		me, h, k := owner{os.Getpid(), comm(t)}, owner{heir.pid(), "heir"}, owner{taker.pid(), "taker"}
		if got := owners(got.stream(p.lport, p.rport, "tx")); !slices.Equal(got, []owner{me, h, k}) {
			t.Errorf("sent by %v, want %v", got, []owner{me, h, k})
		}
		if got := owners(got.stream(p.rport, p.lport, "rx")); !slices.Equal(got, []owner{h, k, me}) {
			t.Errorf("received by %v, want %v", got, []owner{h, k, me})
		}
	}
}

// playExitWithOpenSockets: a process that ends, or is killed, closes its sockets; the trace
// reports that, with all records that the process sent.
func playExitWithOpenSockets(t *testing.T) func(*testing.T, trace) {
	exited, killed := newPair(t, security{"1.3", "AES-GCM-128", "sw"}), newPair(t, security{"1.2", "AES-GCM-128", "sw"})
	owners := map[*pair]*actor{}
	for _, p := range []*pair{exited, killed} {
		a := startActor(t, "goner", nil, p.files[0])
		p.closeEnd(0)
		a.do(t, "send", 3, 30)
		a.do(t, "send", 3, 40)
		owners[p] = a
	}
	owners[exited].exit(t)
	must(t, owners[killed].cmd.Process.Kill())
	if err := owners[killed].cmd.Wait(); err == nil {
		t.Error("the actor was not killed")
	}
	for p := range owners {
		p.recv(t, 70, 70)
		if n, _, err := unix.Recvfrom(p.b, make([]byte, 10), 0); n != 0 || err != nil {
			t.Errorf("read %d, %v, want the end", n, err)
		}
		p.closeEnd(1)
	}
	return func(t *testing.T, got trace) {
		for p, a := range owners {
			closed := got.of(p.lport, p.rport).filter(func(l *line) bool { return l.State == "close" })
			if len(closed) != 1 || closed[0].PID != a.pid() || closed[0].Totals["tx"] != (totals{2, 70}) {
				t.Errorf("closed: %+v", closed)
			}
		}
	}
}

// TestCloseInFlight closes receivers while records are on their way to them, and senders
// while their records still wait for room.
func TestCloseInFlight(t *testing.T) {
	tr := startTracer(t, "-s", "256")
	var wg sync.WaitGroup
	for i := range 12 {
		p := newPair(t, security{[]string{"1.2", "1.3"}[i%2], "AES-GCM-128", "sw"})
		must(t, unix.SetsockoptInt(p.a, unix.SOL_SOCKET, unix.SO_SNDBUF, 20000))
		wg.Go(func() {
			b := pattern(9000, i)
			for range 200 {
				if _, err := unix.SendmsgN(p.a, b, nil, nil, unix.MSG_NOSIGNAL); err != nil {
					if err != unix.ECONNRESET && err != unix.EPIPE {
						t.Error(err)
					}
					break
				}
			}
			p.closeEnd(0)
		})
		wg.Go(func() {
			buf := make([]byte, 9000)
			for range i * 3 {
				if n, _, err := unix.Recvfrom(p.b, buf, 0); n <= 0 || err != nil {
					t.Errorf("read %d, %v", n, err)
				}
			}
			p.closeEnd(1)
		})
	}
	wg.Wait()
	got := tr.stop()
	got.noLosses(t)
	a := got.invariants(t, 256)
	if a.pairs < 12*3 {
		t.Errorf("only %d records were received", a.pairs)
	}
	for _, h := range a.order {
		if h.closed == nil {
			t.Errorf("%v: no close", h)
		}
	}
}

// TestListIsWholeOrSaysSo: a list of more sockets than the ring has room for is an error, in
// one line.
func TestListIsWholeOrSaysSo(t *testing.T) {
	const n = 600
	for range n {
		p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
		defer p.close()
	}
	stdout, stderr, status := ktlstop(t, "list", "-o", "json")
	if got := bytes.Count([]byte(stdout), []byte("\n")); status != 0 || stderr != "" || got < 2*n {
		t.Errorf("status %d, %d lines, stderr %q", status, got, stderr)
	}
	stdout, stderr, status = ktlstop(t, "list", "-o", "json", "--ring-bytes", "4096")
	if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "sockets are missing") || !strings.Contains(stderr, "--ring-bytes") {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	if got := strings.Count(stdout, "\n"); got >= 2*n {
		t.Errorf("%d lines fit into a page", got)
	}
}

// TestEveryKeyIsReported: while two processes open many connections, the kernel preempts one or
// the other in the middle of a hook, and skips that hook for the other meanwhile. Each
// connection reports both its keys all the same.
func TestEveryKeyIsReported(t *testing.T) {
	const each = 60
	tr := startTracer(t)
	for range 2 {
		var wg sync.WaitGroup
		for _, version := range []string{"1.2", "1.3"} {
			wg.Go(func() {
				_, stderr, status := ktlstop(t, "gen", "--require", "--tls", version, "-n", strconv.Itoa(each), "--rounds", "1")
				if status != 0 {
					t.Errorf("gen: status %d, %s", status, stderr)
				}
			})
		}
		wg.Wait()
	}
	got := tr.stop()
	got.noLosses(t)
	found := 0 // at their first record, since the hook was skipped for both keys
	told := map[sock]map[string]int{}
	for _, l := range got.ofType("socket") {
		if told[l.Sock] == nil {
			told[l.Sock] = map[string]int{}
		}
		if l.State == "found" {
			found++
		}
		for dir, s := range map[string]side{"tx": l.TX, "rx": l.RX} {
			if l.State == "open" && l.Dir == dir || l.State == "found" && s.Mode != "" {
				told[l.Sock][dir]++
			}
		}
	}
	if want := 2 * 2 * 2 * each; len(told) != want {
		t.Errorf("%d sockets, want %d", len(told), want)
	}
	if n := got.summary(t).skips("set_sw_offload"); 2*found > n {
		t.Errorf("%d of %d sockets were found, and their keys not seen; the kernel skipped the hook of a key %d times", found, len(told), n)
	}
	for s, n := range told {
		if n["tx"] != 1 || n["rx"] != 1 {
			t.Errorf("socket %v reports its keys %v times, want once each", s, n)
		}
	}
}

// TestFoundOnItsWay: a connection got its first key where no hook saw it and was in flight
// to another process during the inventory, so that no task had a file of it. It is found
// among the connected sockets, and reports its second key when it gets that.
func TestFoundOnItsWay(t *testing.T) {
	a, b := tcpPair(t)
	info := rawInfo(security{"1.2", "AES-GCM-128", "sw"})
	must(t, raw.Enable(a, &info, nil))
	p := newPlainPair(t, a, b, info)
	defer p.closeEnd(1)
	here, there := unixPair(t)
	must(t, unix.Sendmsg(here, []byte{0}, unix.UnixRights(p.a), nil, 0))
	p.closeEnd(0)
	tr := startTracer(t)
	fd, err := receiveDescriptor(int(there.Fd()))
	must(t, err)
	f := os.NewFile(uintptr(fd), "socket")
	conn, err := net.FileConn(f)
	must(t, err)
	must(t, f.Close())
	must(t, raw.SetKeys(conn.(*net.TCPConn), raw.RX, &info))
	must(t, conn.Close())
	var told []string
	got := tr.stop()
	got.noLosses(t)
	for _, l := range got.ofType("socket") {
		if l.Sock.LPort == p.lport {
			told = append(told, l.State+" "+l.Dir)
		}
	}
	if want := []string{"found ", "open rx", "close "}; !slices.Equal(told, want) {
		t.Errorf("reported %q, want %q", told, want)
	}
}

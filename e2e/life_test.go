package e2e

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPassedSockets: one socket is used by the process that made it, by one that
// inherited it by fork and exec, and by one that got it over SCM_RIGHTS. Each
// record belongs to the process in whose call it happened.
func TestPassedSockets(t *testing.T) {
	tr := startTracer(t, "-s", "64")
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
	got := tr.stop()
	got.noLosses(t)
	got.invariants(t, 64)
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

// TestExitWithOpenSockets: a process that ends, or is killed, closes its sockets;
// the trace tells it, with all that the process sent.
func TestExitWithOpenSockets(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *actor){
		"exit":    func(t *testing.T, a *actor) { a.exit(t) },
		"SIGKILL": func(t *testing.T, a *actor) { must(t, a.cmd.Process.Kill()); _ = a.cmd.Wait() },
	} {
		t.Run(name, func(t *testing.T) {
			tr := startTracer(t, "-s", "64")
			p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
			a := startActor(t, "goner", nil, p.files[0])
			p.files[0].Close()
			p.conns[0].Close()
			a.do(t, "send", 3, 30)
			a.do(t, "send", 3, 40)
			end(t, a)
			p.recv(t, 70, 70)
			if n, _, err := unix.Recvfrom(p.b, make([]byte, 10), 0); n != 0 || err != nil {
				t.Errorf("read %d, %v, want the end", n, err)
			}
			p.files[1].Close()
			p.conns[1].Close()
			got := tr.stop()
			got.noLosses(t)
			got.invariants(t, 64)
			closed := got.filter(func(l *line) bool { return l.State == "close" && l.Sock.LPort == p.lport })
			if len(closed) != 1 || closed[0].PID != a.pid() || closed[0].Totals["tx"] != (totals{2, 70}) {
				t.Errorf("closed: %+v", closed)
			}
		})
	}
}

// TestCloseInFlight closes receivers while records are on their way to them, and
// senders while theirs still wait for room.
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
					if !isReset(err) {
						t.Error(err)
					}
					break
				}
			}
			p.files[0].Close()
			p.conns[0].Close()
		})
		wg.Go(func() {
			buf := make([]byte, 9000)
			for range i * 3 {
				if n, _, err := unix.Recvfrom(p.b, buf, 0); n <= 0 || err != nil {
					t.Errorf("read %d, %v", n, err)
				}
			}
			p.files[1].Close()
			p.conns[1].Close()
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

// TestPushWaits: a reader sleeps while its peer's sockets are full. The record
// that found half its room was handed over only after that; where TCP cuts its
// segments decides whether there is one, hence several sizes. In the others the
// next record waits for room before it is sealed.
func TestPushWaits(t *testing.T) {
	const pause = 300 * time.Millisecond
	tr := startTracer(t)
	var pairs []*pair
	var senders sync.WaitGroup
	for sndbuf := 16000; sndbuf <= 46000; sndbuf += 5000 {
		p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
		defer p.close()
		must(t, unix.SetsockoptInt(p.a, unix.SOL_SOCKET, unix.SO_SNDBUF, sndbuf))
		must(t, unix.SetsockoptInt(p.b, unix.SOL_SOCKET, unix.SO_RCVBUF, 20000))
		pairs = append(pairs, p)
		senders.Go(func() { p.send(t, pattern(25*maxRecord, 1), 0) })
	}
	for _, p := range pairs {
		waitUntilStuck(t, p.a)
	}
	time.Sleep(pause) // the known delay
	var readers sync.WaitGroup
	for _, p := range pairs {
		readers.Go(func() { p.recv(t, 25*maxRecord, maxRecord) })
	}
	readers.Wait()
	senders.Wait()
	got := tr.stop()
	got.noLosses(t)
	pushed := 0
	for _, p := range pairs {
		var longest, waited uint64
		for _, l := range got.stream(p.lport, p.rport, "tx") {
			longest, waited = max(longest, l.Lat["push"]), max(waited, l.Lat["push"], l.Lat["queue"])
		}
		if waited < uint64(pause) {
			t.Errorf("port %d: no record waited longer than %v", p.lport, time.Duration(waited))
		}
		if longest >= uint64(pause) {
			pushed++
		}
	}
	if pushed == 0 {
		t.Errorf("no record was pushed for %v", pause)
	}
}

// waitUntilStuck waits until a socket's queue has not changed for a while.
func waitUntilStuck(t *testing.T, fd int) {
	t.Helper()
	last, since := -1, time.Now()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		n, err := unix.IoctlGetInt(fd, unix.TIOCOUTQ)
		must(t, err)
		if n != last {
			last, since = n, time.Now()
		}
		if n > 0 && time.Since(since) > 200*time.Millisecond {
			return
		}
	}
	t.Fatal("the socket never filled up")
}

// TestDeliverIsACopyAndMore: until the one call returns that opens many records,
// it opens and copies those behind the first.
func TestDeliverIsACopyAndMore(t *testing.T) {
	const n = 12
	tr := startTracer(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	must(t, unix.SetsockoptInt(p.a, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20))
	must(t, unix.SetsockoptInt(p.b, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20))
	b := pattern(n*maxRecord, 3)
	p.send(t, b, 0)
	p.recvAll(t, len(b))
	got := tr.stop()
	got.noLosses(t)
	rx := got.stream(p.rport, p.lport, "rx")
	if len(rx) != n {
		t.Fatalf("%d records, want %d", len(rx), n)
	}
	several := 0
	for i := range rx {
		var behind uint64
		for _, later := range rx[i+1:] {
			if later.Mono == rx[i].Mono { // of the same call
				behind += later.Lat["decrypt"]
			}
		}
		if behind > 0 {
			several++
		}
		if d := rx[i].Lat["deliver"]; d <= behind {
			t.Errorf("record %d was delivered in %d ns, while those behind it took %d", i, d, behind)
		}
	}
	if several == 0 {
		t.Error("no call opened several records")
	}
}

// TestListIsWholeOrSaysSo: a list of more sockets than the ring has room for is
// an error, in one line.
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

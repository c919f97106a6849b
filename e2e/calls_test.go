package e2e

import (
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const tries = 7

// TestCallsThatFail: the first call that the kernel refuses is reported with its details, and
// later ones by their number.
func TestCallsThatFail(t *testing.T) {
	tr := startTracer(t)
	s := security{"1.3", "AES-GCM-128", "sw"}
	control, spliced, refused, reset, open := newPair(t, s), newPair(t, s), newPair(t, s), newPair(t, s), newPair(t, s)
	// A reader without room for a record's type.
	control.sendControl(t, 22, []byte{4, 0, 0, 1, 9})
	for range tries {
		if _, _, err := unix.Recvfrom(control.b, make([]byte, 100), 0); err != unix.EIO {
			t.Errorf("read: %v, want EIO", err)
		}
	}
	spliced.sendControl(t, 22, []byte{4, 0, 0, 1, 9})
	pipe := make([]int, 2)
	must(t, unix.Pipe2(pipe, unix.O_CLOEXEC))
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if _, err := unix.Splice(spliced.b, nil, pipe[1], nil, 100, 0); err != unix.EINVAL {
		t.Errorf("splice: %v, want EINVAL", err)
	}
	// Data that kernel TLS cannot send.
	if err := unix.Send(refused.a, []byte("urgent"), unix.MSG_OOB); err != unix.EOPNOTSUPP {
		t.Errorf("send: %v, want EOPNOTSUPP", err)
	}
	// A connection that the peer has reset.
	must(t, unix.SetsockoptLinger(reset.b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	reset.closeEnd(1)
	reset.until(t, unix.POLLIN)
	if err := unix.Send(reset.a, []byte("too late"), unix.MSG_NOSIGNAL); err != unix.ECONNRESET {
		t.Errorf("send: %v, want ECONNRESET", err)
	}
	// A record that is never closed.
	open.send(t, pattern(300, 1), 0)
	open.send(t, pattern(1000, 2), unix.MSG_MORE)
	for _, p := range []*pair{control, spliced, refused, reset, open} {
		p.close()
	}
	got := tr.stop()
	got.noLosses(t)
	for _, c := range []struct {
		name string
		p    *pair
		dir  string
		want failed
	}{
		{"no room for the type", control, "rx", failed{"EIO", "tls_sw_recvmsg", "handshake", tries, "control-record"}},
		{"splice, which has no room either", spliced, "rx", failed{"EINVAL", "tls_sw_splice_read", "handshake", 1, "control-record"}},
		{"an urgent byte", refused, "tx", failed{"EOPNOTSUPP", "tls_sw_sendmsg", "", 1, ""}},
		{"the peer has reset", reset, "tx", failed{"ECONNRESET", "tls_sw_sendmsg", "", 1, ""}},
	} {
		t.Run(c.name, func(t *testing.T) { checkFailed(t, got, c.p, c.dir, c.want) })
	}
	closed := got.of(open.lport, open.rport).filter(func(l *line) bool { return l.State == "close" })
	if len(closed) != 1 || closed[0].UnsentBytes != 1000 || closed[0].Totals["tx"] != (totals{1, 300}) {
		t.Errorf("the connection with an open record closes with %+v", closed)
	}
}

// failed is the expected report of failed calls.
type failed struct {
	errno, function, content string
	calls                    uint64
	hint                     string
}

// checkFailed checks that all failed calls are reported as one kind.
func checkFailed(t *testing.T, got trace, p *pair, dir string, want failed) {
	t.Helper()
	lport, rport := p.lport, p.rport
	if dir == "rx" {
		lport, rport = rport, lport
	}
	errs := got.of(lport, rport).ofType("error")
	var calls uint64
	for i, l := range errs {
		calls += max(l.Count, 1)
		if l.Errno != want.errno || l.Func != want.function || l.Dir != dir || l.Content != want.content {
			t.Errorf("error %s of %s about %q, want %+v", l.Errno, l.Func, l.Content, want)
		}
		if l.Hint.ID != want.hint {
			t.Errorf("hint %q, want %q", l.Hint.ID, want.hint)
		}
		if l.Comm != comm(t) || l.Owner && i == 0 {
			t.Errorf("error of %q, owner %v", l.Comm, l.Owner)
		}
	}
	if calls != want.calls {
		t.Errorf("%d calls failed, want %d: %+v", calls, want.calls, errs)
	}
}

// TestCallsThatGoOn: calls that keep failing are reported once a second.
func TestCallsThatGoOn(t *testing.T) {
	tr := startTracer(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	defer p.close()
	p.sendControl(t, 22, []byte{4, 0, 0, 1, 9})
	var calls uint64
	begin := time.Now()
	for ; time.Since(begin) < 2500*time.Millisecond; calls++ {
		if _, _, err := unix.Recvfrom(p.b, make([]byte, 100), 0); err != unix.EIO {
			t.Fatalf("read: %v, want EIO", err)
		}
	}
	tr.waitFor(func() bool { return failedCalls(tr.lines(), p) == calls }) // without another call, and before the end
	got := tr.stop()
	most := 2 + int(time.Since(begin)/time.Second) // the first, one for each second, and the last
	got.noLosses(t)
	errs := got.of(p.rport, p.lport).ofType("error")
	if failedCalls(got, p) != calls || len(errs) < 2 || len(errs) > most {
		t.Errorf("%d calls are told %d times, at most %d: %+v", calls, len(errs), most, errs)
	}
	for _, l := range errs {
		if l.Owner || l.PID != os.Getpid() || l.Seq != 0 || l.Content != "handshake" {
			t.Errorf("reported as %+v", l)
		}
	}
}

// failedCalls is how many calls of p's receiver are reported as failed.
func failedCalls(tr trace, p *pair) (n uint64) {
	for _, l := range tr.of(p.rport, p.lport).ofType("error") {
		n += max(l.Count, 1)
	}
	return n
}

// TestProbes: a reader that had no room for a record's type, and then provides it, has not
// failed; the number of refused reads is reported at its close.
func TestProbes(t *testing.T) {
	tr := startTracer(t)
	p := newPair(t, security{"1.3", "AES-GCM-128", "sw"})
	for !p.probe(t) {
		p.close()
		p = p.another(t)
	}
	p.send(t, pattern(10, 1), 0)
	p.recv(t, 10, 10)
	p.close()
	got := tr.stop()
	got.noLosses(t)
	of := got.of(p.rport, p.lport)
	closed := of.filter(func(l *line) bool { return l.State == "close" })
	if errs := of.ofType("error"); len(errs) != 0 || len(closed) != 1 || closed[0].Probed != 6 {
		t.Errorf("errors %+v, closed %+v", errs, closed)
	}
}

// probe reads each of three records only after two reads without room for its type, and reports whether
// that took less than the second after which such a read has failed.
func (p *pair) probe(t *testing.T) (quick bool) {
	t.Helper()
	quick = true
	for range 3 {
		p.sendControl(t, 22, []byte{4, 0, 0, 1, 9})
		begin := time.Now()
		for _, flags := range []int{unix.MSG_PEEK, 0} {
			if _, _, err := unix.Recvfrom(p.b, make([]byte, 100), flags); err != unix.EIO {
				t.Errorf("read: %v, want EIO", err)
			}
		}
		p.recvControl(t, 100)
		quick = quick && time.Since(begin) < time.Second
	}
	return quick
}

// TestRefusals: options that the kernel refuses to a socket.
func TestRefusals(t *testing.T) {
	tr := startTracer(t)
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(idle)
	if err := unix.SetsockoptString(idle, unix.SOL_TCP, unix.TCP_ULP, "tls"); err != unix.ENOTCONN {
		t.Errorf("TCP_ULP: %v, want ENOTCONN", err)
	}
	p := newPlain(t)
	defer p.close()
	must(t, unix.SetsockoptString(p.a, unix.SOL_TCP, unix.TCP_ULP, "tls"))
	for _, c := range []struct{ version, cipher uint16 }{{0x0304, 9999}, {0x0302, 51}} {
		info := binary.NativeEndian.AppendUint16(nil, c.version)
		info = append(binary.NativeEndian.AppendUint16(info, c.cipher), make([]byte, 36)...)
		if err := unix.SetsockoptString(p.a, unix.SOL_TLS, 1, string(info)); err != unix.EINVAL {
			t.Errorf("TLS_TX: %v, want EINVAL", err)
		}
	}
	for range tries {
		if _, err := unix.GetsockoptInt(p.a, unix.SOL_TLS, 77); err != unix.ENOPROTOOPT {
			t.Errorf("option 77: %v, want ENOPROTOOPT", err)
		}
	}
	got := tr.stop()
	mine := got.ofType("error").filter(func(l *line) bool { return l.Comm == comm(t) })
	failedCalls := map[refusal]uint64{}
	for _, l := range mine {
		failedCalls[refusal{l.Errno, l.Func, l.Option, l.Hint.ID}] += max(l.Count, 1)
	}
	want := map[refusal]uint64{
		{"ENOTCONN", "tcp_set_ulp", "TCP_ULP", "not-connected"}: 1, {"EINVAL", "tls_setsockopt", "TLS_TX", ""}: 2,
		{"ENOPROTOOPT", "tls_getsockopt", "option_77", ""}: tries,
	}
	if !maps.Equal(failedCalls, want) {
		t.Errorf("reported %v, want %v", failedCalls, want)
	}
	i := slices.IndexFunc(mine, func(l line) bool { return l.Option == "TLS_TX" })
	if i < 0 || mine[i].TLS.Version != "1.3" {
		t.Errorf("the first key that was refused is reported as %+v", mine)
	}
}

type refusal struct{ errno, function, option, hint string }

// newPlain is a connection without TLS.
func newPlain(t *testing.T) *pair {
	t.Helper()
	a, b := tcpPair(t)
	return newPlainPair(t, a, b, rawInfo(security{"1.3", "AES-GCM-128", "sw"}))
}

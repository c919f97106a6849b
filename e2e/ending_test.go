package e2e

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// ending is a way in which a connection ends, and the expected report of its end at a.
type ending struct {
	name string
	play func(t *testing.T, p *pair)
	want string // ended, close_notify of both directions, bytes truncated
}

var closeNotify = []byte{1, 0}

var endings = []ending{
	{"closed here", func(t *testing.T, p *pair) {
		p.closeEnd(0)
		p.closeEnd(1)
	}, "local no no 0"},
	{"each says close_notify", func(t *testing.T, p *pair) {
		p.sendCloseNotify(t, 1)
		p.sendCloseNotify(t, 0)
		p.finish(t, 1)
		p.closeEnd(0)
	}, "fin yes yes 0"},
	{"the peer is gone without a word", func(t *testing.T, p *pair) {
		p.finish(t, 1)
		p.closeEnd(0)
	}, "fin no no 0"},
	{"this side has sent its FIN first", func(t *testing.T, p *pair) {
		must(t, unix.Shutdown(p.a, unix.SHUT_WR))
		p.finish(t, 1)
		p.closeEnd(0)
	}, "fin no no 0"},
	{"the peer's close_notify is not read", func(t *testing.T, p *pair) {
		must(t, unix.Sendmsg(p.b, closeNotify, recordType(21), nil, 0))
		must(t, unix.Shutdown(p.b, unix.SHUT_WR))
		p.closeEnd(1)
		p.until(t, unix.POLLRDHUP)
		p.closeEnd(0)
	}, "fin no - 0"},
	{"the peer resets", func(t *testing.T, p *pair) {
		must(t, unix.SetsockoptLinger(p.b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
		p.closeEnd(1)
		p.until(t, unix.POLLHUP)
		p.closeEnd(0)
	}, "reset no no 0"},
	{"the peer sends its FIN and resets", func(t *testing.T, p *pair) {
		must(t, unix.Shutdown(p.b, unix.SHUT_WR))
		p.until(t, unix.POLLRDHUP)
		must(t, unix.SetsockoptLinger(p.b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
		p.closeEnd(1)
		p.until(t, unix.POLLHUP)
		p.closeEnd(0)
	}, "reset no no 0"},
}

// TestEndings: who ended a connection, with or without close_notify, and whether a
// record was cut.
func TestEndings(t *testing.T) {
	old := newDuplex(t)
	old.sendCloseNotify(t, 0) // before the trace
	old.sendCloseNotify(t, 1)
	tr := startTracer(t)
	pairs := map[string]*pair{}
	for _, e := range endings {
		p := newDuplex(t)
		e.play(t, p)
		pairs[e.name] = p
	}
	cut := newPlain(t)
	must(t, raw.Enable(cut.conns[0], nil, &cut.info))
	_, err := unix.Write(cut.b, append([]byte{23, 3, 3, 0, 100}, make([]byte, 20)...))
	must(t, err)
	cut.finish(t, 1)
	cut.closeEnd(0)
	old.closeEnd(0)
	old.closeEnd(1)
	got := tr.stop()
	got.noLosses(t)
	for _, e := range append(endings, ending{"a record is cut", nil, "fin - no 25"}, ending{"older than the trace", nil, "local - - 0"}) {
		p := pairs[e.name]
		switch e.name {
		case "a record is cut":
			p = cut
		case "older than the trace":
			p = old
		}
		t.Run(e.name, func(t *testing.T) { checkEnding(t, got, p, e.want) })
	}
}

func checkEnding(t *testing.T, got trace, p *pair, want string) {
	t.Helper()
	closed := got.of(p.lport, p.rport).filter(func(l *line) bool { return l.State == "close" })
	if len(closed) != 1 {
		t.Fatalf("%d closes", len(closed))
	}
	l := &closed[0]
	said := func(dir string) string {
		switch yes, known := l.CloseNotify[dir]; {
		case !known:
			return "-"
		case yes:
			return "yes"
		}
		return "no"
	}
	if have := fmt.Sprint(l.Ended, " ", said("tx"), " ", said("rx"), " ", l.Truncated); have != want {
		t.Errorf("closed as %q, want %q", have, want)
	}
}

// newDuplex is a connection that the kernel protects in both directions.
func newDuplex(t *testing.T) *pair {
	t.Helper()
	info := rawInfo(security{"1.3", "AES-GCM-128", "sw"})
	a, b := tcpPair(t)
	must(t, raw.Enable(a, &info, &info))
	must(t, raw.Enable(b, &info, &info))
	return newPlainPair(t, a, b, info)
}

// sendCloseNotify sends close_notify from one end, which the other reads.
func (p *pair) sendCloseNotify(t *testing.T, from int) {
	t.Helper()
	fds := [2]int{p.a, p.b}
	must(t, again(func() error { return unix.Sendmsg(fds[from], closeNotify, recordType(21), nil, 0) }))
	must(t, again(func() error {
		_, _, _, _, err := unix.Recvmsg(fds[1-from], make([]byte, 10), make([]byte, unix.CmsgSpace(1)), 0)
		return err
	}))
}

// finish closes one end, and waits until the other knows.
func (p *pair) finish(t *testing.T, end int) {
	t.Helper()
	p.closeEnd(end)
	p.until(t, unix.POLLRDHUP)
}

// until waits at a.
func (p *pair) until(t *testing.T, event int16) {
	t.Helper()
	if !ready(t, p.a, event, patience) {
		t.Fatal("nothing happens")
	}
}

package inspect

import (
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// faulty is a decoder with a fault.
type faulty struct{ broken }

func (faulty) decode(s *stream) bool { s.consume(4, Text, ""); panic(string(s.rest())) }

// TestBroken: a decoder that panics affects its own connection, and no other.
func TestBroken(t *testing.T) {
	f := newFeed(t, Config{}).both()
	f.in.strict = false
	f.send(tx, "HTTP/1.1 200 OK\r\nX-A").conns()[0].streams[rx].decoder = faulty{}
	f.send(rx, canary+canary).send(rx, canary).send(tx, canary).sendCut(tx, canary, 3)
	f.conn.ID++
	f.seq = [2]uint64{}
	f.both().send(rx, "GET / HTTP/1.1\r\n\r\n").send(tx, "HTTP/1.1 204 No Content\r\n\r\n").write(&event.Summary{})
	out := f.out
	if l := leaks(inJSON(t, out)); l != "" || len(out.payload[rx]) != 3*len(canary)+len("GET / HTTP/1.1\r\n\r\n") {
		t.Errorf("%s %q", l, out.payload)
	}
	if len(out.notes) != 1 || !strings.Contains(out.notes[0], "(broken_test.go:13)") {
		t.Errorf("%q", out.notes)
	}
	if f.in.held != 0 || f.in.conns.Len() != 0 {
		t.Errorf("%d bytes and %d connections are held", f.in.held, f.in.conns.Len())
	}
	if len(out.http) != 1 || out.http[0].Response.Status != 204 {
		t.Errorf("%+v", out.http)
	}
}

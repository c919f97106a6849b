package session

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestConnectionsWithoutEnd: what no close event takes out ages out, and is
// counted.
func TestConnectionsWithoutEnd(t *testing.T) {
	const more = 1000
	p := newPipeline(&collect{}, 0, choiceOf(t, "len > 0"))
	for id := range uint64(connLimit + more) {
		if err := p.handle(&event.Record{Conn: event.Conn{ID: id + 1}, Len: 1, Skipped: 1, HasStart: true}); err != nil {
			t.Fatal(err)
		}
	}
	if p.conns.Len() != connLimit || p.choice.shown.Len() != connLimit || p.conns.Evicted() != more {
		t.Errorf("%d tallies and %d choices are kept, %d went, the limit is %d", p.conns.Len(), p.choice.shown.Len(), p.conns.Evicted(), connLimit)
	}
	if p.sockets != connLimit+more {
		t.Errorf("%d connections of %d are counted", p.sockets, connLimit+more)
	}
}

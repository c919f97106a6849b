package session

import (
	"maps"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// packets is a sink that makes packets.
type packets struct {
	collect
	forgotten uint64
}

func (p *packets) Forgotten() uint64 { return p.forgotten }

// TestConnectionsWithoutEnd: what no close event takes out ages out, and is
// counted.
func TestConnectionsWithoutEnd(t *testing.T) {
	const more = 1000
	p := newPipeline(&collect{}, 0, choiceOf(t, "len > 0"))
	for id := range uint64(event.MaxConns + more) {
		if err := p.handle(&event.Record{Conn: event.Conn{ID: id + 1}, Len: 1, Skipped: 1, HasStart: true}); err != nil {
			t.Fatal(err)
		}
	}
	if p.conns.Len() != event.MaxConns || p.choice.shown.Len() != event.MaxConns || p.conns.Evicted() != more {
		t.Errorf("%d tallies and %d choices are kept, %d went, the limit is %d", p.conns.Len(), p.choice.shown.Len(), p.conns.Evicted(), event.MaxConns)
	}
	p.gate = &packets{forgotten: 2}
	want := map[string]uint64{"counts": more, "choices": more, "packets": 2 + 3, "calls": 7}
	p.out = Sinks{&packets{forgotten: 3}, &collect{}}
	if got := p.summary(&replayed{}).Evicted; !maps.Equal(got, want) {
		t.Errorf("the summary has %v, want %v", got, want)
	}
	if p.sockets != event.MaxConns+more {
		t.Errorf("%d connections of %d are counted", p.sockets, event.MaxConns+more)
	}
}

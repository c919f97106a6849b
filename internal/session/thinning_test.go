package session

import (
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// collect keeps the sockets and the summary that a pipeline writes.
type collect struct{ closes []event.Socket }

func (c *collect) Write(ev event.Event) error {
	if s, ok := ev.(*event.Socket); ok && s.State == event.SocketClose {
		c.closes = append(c.closes, *s)
	}
	return nil
}

func (c *collect) Flush() error { return nil }

// TestPipelineCountsSampled: what records stand for and what the close says
// besides come to the close and to the totals.
func TestPipelineCountsSampled(t *testing.T) {
	out := &collect{}
	p := newPipeline(out, 0, newChoice(nil))
	conn := event.Conn{ID: 7}
	see := func(ev event.Event) {
		t.Helper()
		if err := p.handle(ev); err != nil {
			t.Fatal(err)
		}
	}
	see(&event.Socket{State: event.SocketOpen, Conn: conn, Skipped: [2]uint64{9, 9}}) // not final: it says nothing
	for i := range uint64(3) {
		see(&event.Record{Conn: conn, Seq: i*10 + 9, Hidden: i*9 + 9, Skipped: 9, HasStart: true})
	}
	see(&event.Socket{State: event.SocketClose, Conn: conn, NextTX: 34, Hidden: [2]uint64{31}, Skipped: [2]uint64{4}})
	if len(out.closes) != 1 || out.closes[0].Totals.Sampled != [2]uint64{31} || out.closes[0].Skipped != [2]uint64{4} {
		t.Errorf("closes are %+v", out.closes)
	}
	if _, lost := p.lost.Sum(); lost != 0 {
		t.Errorf("%d are lost", lost)
	}
	if p.totals.Records[0] != 3 || p.totals.Sampled != [2]uint64{31} || p.skipped != [2]uint64{4} || p.conns.Len() != 0 {
		t.Errorf("%+v, %v without a weight, %d connections", p.totals, p.skipped, p.conns.Len())
	}
}

// The notice says why records are left out, and of both reasons where either
// may be the one.
func TestThinningSaysWhy(t *testing.T) {
	ring, both := newThinning(nil, false).why, newThinning(nil, true).why
	if !strings.Contains(ring, "half full") || strings.Contains(ring, "processor") {
		t.Errorf("without a limit: %q", ring)
	}
	if !strings.Contains(both, "half full") || !strings.Contains(both, "processor") {
		t.Errorf("with a limit: %q", both)
	}
}

func TestThinning(t *testing.T) {
	var hostEvent []string
	th := &thinning{report: func(s string) { hostEvent = append(hostEvent, s) }}
	now := time.Unix(100, 0)
	th.addSkipped(0, now)
	th.check(now)
	if len(hostEvent) != 0 {
		t.Fatalf("nothing was left out, and it says %q", hostEvent)
	}
	for i := range 5 {
		th.addSkipped(3, now.Add(time.Duration(i)*thinAfter/2))
		th.check(now.Add(time.Duration(i) * thinAfter / 2))
	}
	if len(hostEvent) != 1 {
		t.Fatalf("it says %q", hostEvent)
	}
	th.check(now.Add(3 * thinAfter))
	th.check(now.Add(9 * thinAfter))
	if len(hostEvent) != 2 || !strings.Contains(hostEvent[1], "15 were left out") {
		t.Errorf("it says %q", hostEvent)
	}
	th.addSkipped(1, now.Add(10*thinAfter))
	if len(hostEvent) != 3 {
		t.Errorf("it says nothing of a second time: %q", hostEvent)
	}
	var none *thinning
	none.addSkipped(1, now)
	none.check(now)
}

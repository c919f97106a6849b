package flow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestLosses(t *testing.T) {
	type counts = map[string]uint64
	tx := func(cause string, n uint64) event.Lost {
		return event.Lost{Cause: cause, Count: n, HasDir: true, Dir: event.TX}
	}
	rx := func(cause string, n uint64) event.Lost {
		return event.Lost{Cause: cause, Count: n, HasDir: true, Dir: event.RX}
	}
	for _, c := range []struct {
		name  string
		lost  []event.Lost
		want  counts
		total uint64
	}{
		{"nothing", nil, counts{}, 0},
		{"gaps alone", []event.Lost{tx("gap", 1), rx("gap", 2)}, counts{"gap": 3}, 3},
		{"explained", []event.Lost{tx("ring_full", 5), tx("gap", 5)}, counts{"ring_full": 5}, 5},
		{"in the other direction", []event.Lost{tx("ring_full", 5), rx("gap", 5)}, counts{"ring_full": 5, "gap": 5}, 10},
		{"in both", []event.Lost{tx("ring_full", 5), rx("ring_full", 1), tx("gap", 4), rx("gap", 3)}, counts{"ring_full": 6, "gap": 2}, 8},
		{"gaps not all seen yet", []event.Lost{rx("ring_full", 5), rx("gap", 2)}, counts{"ring_full": 5}, 5},
		{"explained in part", []event.Lost{tx("ring_full", 5), tx("pending_map_full", 1), tx("gap", 9)}, counts{"ring_full": 5, "pending_map_full": 1, "gap": 3}, 9},
		{"in an unknown direction", []event.Lost{{Cause: "ring_full", Count: 5}, tx("gap", 4), rx("gap", 3)}, counts{"ring_full": 5, "gap": 2}, 7},
		{"a connection without room explains no gap", []event.Lost{tx("conn_map_full", 5), tx("gap", 5)}, counts{"conn_map_full": 5, "gap": 5}, 10},
		{"nor do events that are no records", []event.Lost{{Cause: "ring_full_events", Count: 5}, tx("gap", 5)}, counts{"ring_full_events": 5, "gap": 5}, 10},
		{"payload explains no gap", []event.Lost{tx("payload_ring_full", 5), tx("gap", 5)}, counts{"payload_ring_full": 5, "gap": 5}, 10},
	} {
		var l Losses
		for i := range c.lost {
			l.Add(&c.lost[i])
		}
		got, total := l.Sum()
		if diff := cmp.Diff(c.want, got); diff != "" || total != c.total {
			t.Errorf("%s: total %d, want %d (-want +got):\n%s", c.name, total, c.total, diff)
		}
	}
}

// TestGaps: a gap is reported once, when no counter has explained it for a while.
func TestGaps(t *testing.T) {
	gap := func(n uint64) *event.Lost { return &event.Lost{Cause: CauseGap, Dir: event.RX, Count: n} }
	full := func(n uint64) *event.Lost {
		return &event.Lost{Cause: "ring_full", Dir: event.RX, HasDir: true, Count: n}
	}
	var g Gaps
	for i, step := range []struct {
		ev   *event.Lost
		want uint64
	}{
		{gap(5), 0}, {full(5), 0}, {gap(7), 0}, {nil, 7}, {nil, 0}, // explained in time, and never
		{gap(3), 0}, {full(1), 2}, {full(9), 0}, {gap(9), 0}, {nil, 0}, // in part; and more than was found
		{gap(4), 0}, {nil, 4}, {nil, 0},
	} {
		if step.ev != nil {
			g.Add(step.ev)
		}
		if got := g.Unexplained(); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
}

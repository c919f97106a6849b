package loader

import (
	"context"
	"maps"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// told is what a run told of its connections.
type told struct {
	records, payloads uint64
	lost              map[string]uint64
}

// exchanged traces n records over each of some connections, and reads what was
// told only then.
func exchanged(t *testing.T, cfg Config, conns, n int) (*Tracer, told) {
	t.Helper()
	needGuest(t)
	tr, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	for range conns {
		a, b := kernelTLS(t)
		exchange(t, a, b, n, 100)
	}
	got := told{lost: map[string]uint64{}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Record:
			got.records++
			if len(ev.Payload) > 0 {
				got.payloads++
			}
		case *event.Lost:
			got.lost[ev.Cause] += ev.Count
		}
		return nil
	}, nil); err != nil {
		t.Fatal(err)
	}
	return tr, got
}

func (g *told) check(t *testing.T, seen, sealed uint64, cause string) {
	t.Helper()
	if want := map[string]uint64{cause: sealed - seen}; seen >= sealed || !maps.Equal(g.lost, want) {
		t.Errorf("%d of %d are seen and %v lost, want %v", seen, sealed, g.lost, want)
	}
}

// TestLossOfRecords: the ring has no room for data, and still some for the opens.
func TestLossOfRecords(t *testing.T) {
	_, got := exchanged(t, Config{RingBytes: 16384}, 1, 300)
	got.check(t, got.records, 600, "ring_full")
}

// TestLossOfEvents: not one record comes, so what finds no room is no record.
func TestLossOfEvents(t *testing.T) {
	_, got := exchanged(t, Config{RingBytes: 4096}, 40, 0)
	if n := got.lost["ring_full_events"]; n == 0 || len(got.lost) != 1 || got.records != 0 {
		t.Errorf("%v lost, %d records seen; want ring_full_events alone", got.lost, got.records)
	}
}

// TestLossOfPayloads: the records are all told, some without their plaintext.
func TestLossOfPayloads(t *testing.T) {
	_, got := exchanged(t, Config{Snaplen: 64, PayloadRingBytes: 4096}, 1, 50)
	if got.records != 100 {
		t.Errorf("%d records seen, want 100", got.records)
	}
	got.check(t, got.payloads, 100, "payload_ring_full")
}

// TestLossOfConnections: of the sockets that found no room, each record counts
// once, not each hook that looked for room.
func TestLossOfConnections(t *testing.T) {
	_, got := exchanged(t, Config{entries: map[string]uint32{"hot": 1, "conns": 1}}, 3, 50)
	got.check(t, got.records, 300, "conn_map_full")
}

// TestLossOfSums: what the sums lack is what found no room in them.
func TestLossOfSums(t *testing.T) {
	tr, got := exchanged(t, Config{Aggregate: true, entries: map[string]uint32{"stats": 2}}, 3, 50)
	var sums uint64
	if err := tr.Samples(func(s *event.Sample) { sums += s.Totals.Records[event.TX] + s.Totals.Records[event.RX] }); err != nil {
		t.Fatal(err)
	}
	got.check(t, sums, 300, "stats_map_full")
}

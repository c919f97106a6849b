package session

import (
	"context"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// adding is a tracer that adds records up.
type adding struct {
	*replayed
	reads int
}

func (a *adding) Aggregates() bool { return true }

func (a *adding) Samples(visit func(*event.Sample)) error {
	a.reads++
	visit(&event.Sample{Conn: event.Conn{ID: 7}, Totals: event.Totals{Records: [2]uint64{uint64(a.reads), 0}}})
	return nil
}

// taken is what a Sums has been given.
type taken struct {
	records []uint64 // of the samples, in their order
	rounds  int
}

func (t *taken) Sample(s *event.Sample) { t.records = append(t.records, s.Totals.Records[0]) }
func (t *taken) Round()                 { t.rounds++ }

// TestSums: samples come while the run goes on and once more at its end, and of records
// that are reported no step is a loss, but for DTLS.
func TestSums(t *testing.T) {
	gap := func(conn uint64, version event.Version) []event.Event {
		var events []event.Event
		for _, seq := range []uint64{0, 5} {
			events = append(events, &event.Record{Conn: event.Conn{ID: conn}, TLS: event.TLS{Version: version}, Seq: seq, Type: event.Alert, HasStart: true})
		}
		return append(events, &event.Socket{Conn: event.Conn{ID: conn}, State: event.SocketClose, TX: event.TLS{Version: version}, NextTX: 6})
	}
	var sums taken
	r := &replayed{events: append(gap(1, 0x0304), gap(2, event.DTLS12)...), idled: make(chan struct{})}
	a := &adding{replayed: r}
	s := newSession(a, Config{Sums: &sums})
	out := runOver(t, s, r.idled)
	if sums.rounds != 2 || len(sums.records) != 2 || sums.records[1] != 2 {
		t.Errorf("taken %+v", sums)
	}
	if out.lost[1] != 0 || out.lost[2] != 4 {
		t.Errorf("lost %v", out.lost)
	}
	for _, totals := range out.totals {
		if totals != (event.Totals{}) {
			t.Errorf("the totals of a connection of which some records are reported are %+v", totals)
		}
	}
	if len(out.totals) != 2 {
		t.Errorf("%d ends", len(out.totals))
	}
}

// runOver runs a session until its events are over, which idled says.
func runOver(t *testing.T, s *Session, idled <-chan struct{}) *sockets {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	out := new(sockets)
	go func() { done <- s.Run(ctx, out) }()
	<-idled
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return out
}

// sockets keeps the totals of sockets, and what each connection lost.
type sockets struct {
	totals []event.Totals
	lost   map[uint64]uint64
}

func (s *sockets) Write(ev event.Event) error {
	switch ev := ev.(type) {
	case *event.Socket:
		s.totals = append(s.totals, ev.Totals)
	case *event.Lost:
		if s.lost == nil {
			s.lost = map[uint64]uint64{}
		}
		if ev.Conn != nil {
			s.lost[ev.Conn.ID] += ev.Count
		}
	}
	return nil
}

func (s *sockets) Flush() error { return nil }

// TestSumsWithoutKernel: where the kernel does not add up, rounds come, and each record is
// reported, counted and checked.
func TestSumsWithoutKernel(t *testing.T) {
	var sums taken
	events := append(recordsOf(1, 3), &event.Socket{Conn: event.Conn{ID: 1}, State: event.SocketClose, NextTX: 9})
	s, r := sessionOf(events, Config{Sums: &sums})
	out := runOver(t, s, r.idled)
	if sums.rounds != 2 || len(out.totals) != 1 || out.totals[0].Records[0] != 3 || out.lost[1] != 6 {
		t.Errorf("%+v, %+v", sums, out)
	}
}

// TestRare: of application data only what is slow is passed on.
func TestRare(t *testing.T) {
	for _, c := range []struct {
		slow time.Duration
		want int
	}{{0, 1}, {time.Millisecond, 2}} {
		var out kept
		rare := Rare{Sink: &out, Slow: c.slow}
		for _, ev := range []event.Event{
			&event.Record{Type: event.ApplicationData, Lat: event.Latency{Total: 999_999}},
			&event.Record{Type: event.ApplicationData, Lat: event.Latency{Total: 1_000_000}},
			&event.Record{Type: event.Alert}, &event.Lost{Count: 2},
		} {
			if err := rare.Write(ev); err != nil {
				t.Fatal(err)
			}
		}
		if out.records != c.want || out.lost != 2 {
			t.Errorf("slow from %v on: %d records and %d lost", c.slow, out.records, out.lost)
		}
		if err := rare.Close(); err != nil {
			t.Error(err)
		}
	}
}

package session

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// replayed is a tracer that reports given events, and then what fails, or waits
// for the end.
type replayed struct {
	events  []event.Event
	fails   error
	open    []*event.Socket // when the hooks are gone
	unread  event.Event     // reported by Losses
	fills   []loader.BufferUsage
	hooks   []loader.HookState
	stream  uint64
	idled   chan struct{} // closed at the first idle
	closing sync.Once
}

func (r *replayed) Run(ctx context.Context, handle func(event.Event) error, idle func() error) error {
	for _, ev := range r.events {
		if err := handle(ev); err != nil {
			return err
		}
	}
	if err := idle(); err != nil {
		return err
	}
	r.closing.Do(func() { close(r.idled) })
	if r.fails == nil {
		<-ctx.Done()
	}
	return r.fails
}

func (r *replayed) Losses(handle func(event.Event) error) error { return handle(r.unread) }
func (r *replayed) Connections() ([]*event.Socket, error)       { return r.open, nil }
func (r *replayed) Stream(conn uint64) error                    { r.stream = conn; return nil }
func (r *replayed) Held(uint64) (*event.Held, error)            { return nil, nil }
func (*replayed) Samples(func(*event.Sample)) error             { return nil }
func (*replayed) Backend() string                               { return loader.BackendEBPF }
func (*replayed) Missing() []string                             { return []string{"a hook"} }
func (*replayed) Tier() event.Tier                              { return event.TierNone }
func (*replayed) Cost() loader.Cost                             { return loader.Cost{} }
func (r *replayed) Hooks() []loader.HookState                   { return r.hooks }
func (r *replayed) Rings() []loader.BufferUsage                 { return r.fills }
func (*replayed) Aggregates() bool                              { return false }
func (*replayed) Duration() time.Duration                       { return time.Second }
func (*replayed) Incomplete() uint64                            { return 7 }
func (*replayed) Measure(bool)                                  {}
func (*replayed) Close()                                        {}

// recordsOf are n records of one connection and direction.
func recordsOf(conn uint64, n int) (events []event.Event) {
	for i := range n {
		events = append(events, &event.Record{Conn: event.Conn{ID: conn}, Seq: uint64(i), Len: 100, HasStart: true})
	}
	return events
}

// kept remembers what a sink gets.
type kept struct {
	records int
	lost    uint64
	last    event.Event
	enough  int // records after which it has enough; 0 for never
}

func (k *kept) Write(ev event.Event) error {
	k.last = ev
	switch ev := ev.(type) {
	case *event.Record:
		if k.records++; k.records == k.enough {
			return sink.ErrEnough
		}
	case *event.Lost:
		k.lost += ev.Count
	}
	return nil
}

func (k *kept) Flush() error { return nil }

func sessionOf(events []event.Event, cfg Config) (*Session, *replayed) {
	r := &replayed{events: events, idled: make(chan struct{}), unread: &event.Lost{Cause: "ring_full", Count: 3}}
	return newSession(r, cfg), r
}

// TestFilterOf: a colon divides the object from its program, unless it belongs to
// the name of a file that is there.
func TestFilterOf(t *testing.T) {
	there := filepath.Join(t.TempDir(), "a:b.o")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"f.o": {"f.o", ""}, "f.o:http": {"f.o", "http"}, "a:b.o:http": {"a:b.o", "http"}, there: {there, ""}, there + ":http": {there, "http"},
	} {
		if f := FilterOf(name); f.Object != want[0] || f.Program != want[1] {
			t.Errorf("%s is %q and %q, want %q", name, f.Object, f.Program, want)
		}
	}
}

// TestRunEnds: each way to end, and the summary behind it.
func TestRunEnds(t *testing.T) {
	cost := &loader.CostError{}
	for _, c := range []struct {
		name    string
		cfg     Config
		enough  int
		fails   error
		records int
		lost    uint64 // what Losses reports only where the ring was left unread
		stopped string
	}{
		{name: "limit", cfg: Config{Limit: 4}, records: 4, lost: 3},
		{name: "sink has enough", enough: 5, records: 5, lost: 3},
		{name: "duration", cfg: Config{Duration: time.Nanosecond}, records: 10},
		{name: "duration from the first record", cfg: Config{Duration: time.Nanosecond, FromFirst: true}, records: 10},
		{name: "cost", fails: cost, records: 10, stopped: stoppedByCost},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, r := sessionOf(recordsOf(7, 10), c.cfg)
			r.fails = c.fails
			out := &kept{enough: c.enough}
			if err := s.Run(t.Context(), out); !errors.Is(err, c.fails) {
				t.Fatalf("run: %v", err)
			}
			sum, ok := out.last.(*event.Summary)
			if !ok {
				t.Fatalf("the last event is a %T", out.last)
			}
			if out.records != c.records || out.lost != c.lost || sum.Stopped != c.stopped || sum.Missing[0] != "a hook" {
				t.Errorf("%d records, %d lost, %+v", out.records, out.lost, sum)
			}
		})
	}
}

// TestRunAuditsTheEnd: a connection that is still open at the end, of which the
// kernel knows more records than were reported.
func TestRunAuditsTheEnd(t *testing.T) {
	s, r := sessionOf(recordsOf(7, 10), Config{Duration: time.Nanosecond})
	r.open = []*event.Socket{{Conn: event.Conn{ID: 7}, NextTX: 12, Start: &[2]uint64{}}}
	out := &kept{}
	if err := s.Run(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if sum := out.last.(*event.Summary); out.lost != 2 || sum.Lost[flow.CauseGap] != 2 {
		t.Errorf("%d lost, %v in the summary", out.lost, sum.Lost)
	}
}

// TestBothSides: events and snapshots of one run, snapshots from other goroutines
// while it runs, and one last picture for who comes late.
func TestBothSides(t *testing.T) {
	s, r := sessionOf(recordsOf(7, 10), Config{Watch: true, About: About{Version: "v", Filter: "--port 1", Notes: []string{"a note"}}})
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := &kept{}, make(chan error)
	go func() { ended <- s.Run(ctx, out) }()
	<-r.idled
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			s.Select(7)
			if got := s.Snapshot(); got.Totals.Records[event.TX] != 10 || got.Detail == nil {
				t.Errorf("the snapshot has %v, detail %v", got.Totals.Records, got.Detail)
			}
		})
	}
	callers.Wait()
	cancel()
	if err := <-ended; err != nil || out.records != 10 {
		t.Errorf("run: %v, %d records pushed", err, out.records)
	}
	last := s.Snapshot()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Select(9)
	if s.Snapshot() != last || r.stream != 7 {
		t.Errorf("after Close there is another snapshot, or %d is streamed", r.stream)
	}
	if run := last.Run; run.Filter != "--port 1" || run.Version != "v" || len(run.Notes) != 2 {
		t.Errorf("the snapshot says of the run %+v", run)
	}
}

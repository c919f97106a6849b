package flight

import (
	"errors"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// ErrOver says that a run has ended and nothing is recorded any more.
var ErrOver = errors.New("the run is over")

// ErrNothing says that nothing has happened since the last dump, or within the time that
// events are kept.
var ErrNothing = errors.New("there is nothing to write")

// Dump has the events around a trigger.
type Dump struct {
	Trigger *event.Trigger
	// GiveUp is closed when the run has ended and there is no time left to write.
	GiveUp <-chan struct{}
	events *ring
}

// Empty reports whether nothing but the trigger was kept.
func (d *Dump) Empty() bool { return d.events.events <= 1 }

// Bytes is the approximate memory of the events.
func (d *Dump) Bytes() int { return d.events.size() }

// WriteTo writes the events in order, the trigger among them, and then their summary with
// the tier of their run. It stops at the sink's first error.
func (d *Dump) WriteTo(out sink.Sink, tier event.Tier) error {
	s := summing{summary: event.Summary{Tier: tier}, conns: map[uint64]bool{}}
	err := d.events.each(func(ev event.Event) error {
		s.count(ev)
		return out.Write(ev)
	})
	if err != nil {
		return err
	}
	if err := out.Write(s.end()); err != nil {
		return err
	}
	return out.Flush()
}

// summing counts the events that are written to a file.
type summing struct {
	summary     event.Summary
	conns       map[uint64]bool
	lost        flow.Losses
	first, last uint64
}

func (s *summing) count(ev event.Event) {
	if t := ev.Time(); t > 0 {
		s.last = max(s.last, t)
		if s.first == 0 {
			s.first = t
		}
	}
	switch ev := ev.(type) {
	case *event.Record:
		s.summary.Totals.Add(ev, 1)
		s.summary.Totals.Sampled[ev.Dir&1] += ev.Skipped
		s.conns[ev.Conn.ID] = true
	case *event.Socket:
		s.conns[ev.Conn.ID] = true
	case *event.Error:
		s.summary.Errors += 1 + uint64(ev.More)
	case *event.Drop:
		s.summary.Dropped += ev.Count
	case *event.Lost:
		s.lost.Add(ev)
	}
}

func (s *summing) end() *event.Summary {
	s.summary.Mono, s.summary.Duration = s.last, time.Duration(s.last-s.first)
	s.summary.Sockets = uint64(len(s.conns))
	s.summary.Lost, _ = s.lost.Sum()
	return &s.summary
}

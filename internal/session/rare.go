package session

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Rare passes on what there is little of: all events but records of application data that
// took less than Slow, or all of these where Slow is 0.
type Rare struct {
	sink.Sink
	Slow time.Duration
}

// Write implements sink.Sink.
func (s Rare) Write(ev event.Event) error {
	if r, ok := ev.(*event.Record); ok && r.Type == event.ApplicationData && !s.slow(r) {
		return nil
	}
	return s.Sink.Write(ev)
}

// Close flushes, and closes what is a file.
func (s Rare) Close() error { return Sinks{s.Sink}.Close() }

func (s Rare) slow(r *event.Record) bool { return s.Slow > 0 && r.Lat.Total >= uint64(s.Slow) }

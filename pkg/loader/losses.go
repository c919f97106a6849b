package loader

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// causes are the names of enum lost.
var causes = [...]string{
	"ring_full", "payload_ring_full", "payload_unreadable", "conn_map_full", "pending_map_full", "stats_map_full",
	"ring_full_events",
}

// lostCounter remembers what it reported of the kernel's loss counters.
type lostCounter struct {
	reported [len(causes)]uint64
}

// report tells of losses that are new since the last call.
func (l *lostCounter) report(read func() ([len(causes)]uint64, error), handle func(event.Event) error) error {
	counters, err := read()
	if err != nil {
		return err
	}
	for i, cause := range causes {
		n := counters[i]
		if n == l.reported[i] {
			continue
		}
		e := &event.Lost{Mono: Monotonic(), Cause: cause, Count: n - l.reported[i]}
		l.reported[i] = n
		if err := handle(e); err != nil {
			return err
		}
	}
	return nil
}

func sum(ns []uint64) (total uint64) {
	for _, n := range ns {
		total += n
	}
	return total
}

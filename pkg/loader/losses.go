package loader

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// causes are the names of enum lost and, last, of what user space counts: payloads
// that the kernel sent and that the assembler did not find, or had no room for.
var causes = [...]string{
	"ring_full", "payload_ring_full", "payload_unreadable", "conn_map_full", "pending_map_full", "stats_map_full",
	causeEvents, "skipped", "slow_limit", "payload_dropped",
}

// CauseNotFound counts sockets with kernel TLS that the kernel counted when the run began,
// and that the inventory lacks: each shows at its first record.
const CauseNotFound = "not_found"

// Causes are those of the *event.Lost that a Tracer tells.
func Causes() []string { return append(slices.Clone(causes[:]), CauseNotFound) }

// kernelCauses is LOST_MAX.
const kernelCauses = len(causes) - 1

// causeEvents counts what is no record. Most of that has no direction.
const causeEvents = "ring_full_events"

// lossCounts are two counters for each cause: of TX and of RX.
type lossCounts [2 * len(causes)]uint64

// kernel are those that the kernel counts.
func (n *lossCounts) kernel() []uint64 { return n[:2*kernelCauses] }

// lostCounter remembers what it reported of the loss counters.
type lostCounter struct {
	reported lossCounts
}

// report tells of losses that are new since the last call.
func (l *lostCounter) report(read func() (lossCounts, error), handle func(event.Event) error) error {
	counters, err := read()
	if err != nil {
		return err
	}
	for i, n := range counters {
		if n == l.reported[i] {
			continue
		}
		e := &event.Lost{Mono: Monotonic(), Cause: causes[i/2], Count: n - l.reported[i]}
		if e.Cause != causeEvents {
			e.Dir, e.HasDir = event.Dir(i%2), true
		}
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

package loader

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// causes are the names of enum lost and, last, of the payloads that user space drops: those
// that the kernel sent and that the assembler did not find, or had no room for.
var causes = [...]string{
	"ring_full", "payload_ring_full", "payload_unreadable", "conn_map_full", "pending_map_full", "stats_map_full",
	causeEvents, "skipped", "slow_limit", "payload_dropped",
}

// CauseNotFound is the cause of event.Lost for sockets with kernel TLS that were open when
// the run began, by the kernel's own counters, and that the inventory did not find. Such a
// socket is reported with its first record.
const CauseNotFound = "not_found"

// Causes returns the causes of *event.Lost that a Tracer reports.
func Causes() []string { return append(slices.Clone(causes[:]), CauseNotFound) }

// kernelCauses is LOST_MAX.
const kernelCauses = len(causes) - 1

// causeEvents counts events other than records. Most of them have no direction.
const causeEvents = "ring_full_events"

// lossCounts holds two counters for each cause, of TX and of RX.
type lossCounts [2 * len(causes)]uint64

// kernel returns the counters that the kernel keeps.
func (n *lossCounts) kernel() []uint64 { return n[:2*kernelCauses] }

// lostCounter remembers which losses it has reported.
type lostCounter struct {
	reported lossCounts
}

// report reports the losses since its last call.
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

package loader

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// causes are the names of enum lost.
var causes = [...]string{
	"ring_full", "payload_ring_full", "payload_unreadable", "conn_map_full", "pending_map_full", "stats_map_full",
}

// lostCounter reads the kernel's loss counters and remembers what it reported.
type lostCounter struct {
	counters *ebpf.Map
	reported [len(causes)]uint64
}

// report tells of losses that are new since the last call.
func (l *lostCounter) report(handle func(event.Event) error) error {
	for i, cause := range causes {
		var perCPU []uint64
		if err := l.counters.Lookup(uint32(i), &perCPU); err != nil {
			return fmt.Errorf("read the loss counters: %w", err)
		}
		n := sum(perCPU)
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

package tui

import (
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/units"
)

// cost is what the BPF programs took when they were last measured.
type cost struct {
	nanos, records uint64
	elapsed        time.Duration
	cpus           int
}

// next is what was measured between two snapshots, the old cost where nothing
// was.
func (c cost) next(before, now *flow.Snapshot) cost {
	if before.Run == nil || now.Run == nil || now.Mono <= before.Mono {
		return c
	}
	over := now.Run.CostOver - min(before.Run.CostOver, now.Run.CostOver)
	if over == 0 { // not measured since
		return c
	}
	return cost{
		nanos:   nanos(now.Run) - min(nanos(before.Run), nanos(now.Run)),
		records: now.Run.CostRecords - min(before.Run.CostRecords, now.Run.CostRecords),
		elapsed: over,
		cpus:    max(now.Run.CPUs, 1),
	}
}

func nanos(r *flow.Run) (sum uint64) {
	for _, p := range r.Programs {
		sum += p.Nanos
	}
	return sum
}

// String is the cost per record and as share of all CPUs.
func (c cost) String() string {
	if c.elapsed <= 0 {
		return ""
	}
	s := ": "
	if c.records > 0 {
		s += units.Duration(c.nanos/c.records) + " per record, "
	}
	share := 100 * float64(c.nanos) / float64(c.elapsed) / float64(c.cpus)
	return s + strconv.FormatFloat(share, 'f', 2, 64) + " % of the CPUs"
}

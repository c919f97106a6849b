package tui

import (
	"strconv"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/units"
)

// cost is what the BPF programs took between the last two snapshots.
type cost struct {
	nanos, records uint64
	elapsed        time.Duration
	cpus           int
}

// next is the cost between two snapshots, the old one where there is no time
// between them.
func (c cost) next(before, now *flow.Snapshot) cost {
	if before.Run == nil || now.Run == nil || now.Mono <= before.Mono {
		return c
	}
	return cost{
		nanos:   nanos(now.Run) - min(nanos(before.Run), nanos(now.Run)),
		records: recordCount(&now.Totals) - min(recordCount(&before.Totals), recordCount(&now.Totals)),
		elapsed: time.Duration(now.Mono - before.Mono),
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

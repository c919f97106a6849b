package loader

import (
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Cost is what the programs took while they were measured, on all processors.
type Cost struct {
	// Programs are those that ran, or that the kernel skipped, in the order of
	// their names.
	Programs []event.ProgramCost
	// Over is for how long they were measured in all, Records how many records
	// began to be sealed or opened meanwhile.
	Over    time.Duration
	Records uint64
}

// CostError says that the programs took more of a processor than
// Config.MaxCPU, and that nothing was left to spare it.
type CostError struct {
	// Share and Limit are percent of one processor.
	Share, Limit float64
}

func (e *CostError) Error() string {
	return fmt.Sprintf("the BPF programs take %.3g %% of a processor, more than the limit of %.3g %%: they are detached; "+
		"allow more, or trace less with a filter", e.Share, e.Limit)
}

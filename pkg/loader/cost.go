package loader

import (
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Cost is the run time of the programs, on all processors, while the kernel measured them.
type Cost struct {
	// Programs are the programs that ran, or that the kernel skipped, sorted by name.
	Programs []event.ProgramCost
	// Over is how long they were measured. Records is how many records the kernel began
	// to encrypt or decrypt in that time.
	Over    time.Duration
	Records uint64
}

// CostError is the error of Run if the programs took more time of a processor than
// Config.MaxCPU and sampling could not reduce it.
type CostError struct {
	// Share is what they took and Limit is Config.MaxCPU, in percent of one processor.
	Share, Limit float64
}

// Error returns one line.
func (e *CostError) Error() string {
	return fmt.Sprintf("the BPF programs take %.3g %% of a processor, more than the limit of %.3g %%: they are detached; "+
		"allow more, or trace less with a filter", e.Share, e.Limit)
}

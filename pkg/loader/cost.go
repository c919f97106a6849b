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

// judge takes the share of a processor in one window, in percent.
func (t *Tracer) judge(share float64) error {
	tooMuch, err := t.governor.Judge(share)
	if err != nil {
		return err
	}
	if tooMuch {
		return &CostError{share, t.maxCPU}
	}
	t.meter.Approach(t.governor.Near(share))
	return nil
}

// Cost is what the programs took in the windows that are over. Nothing is
// measured unless Config.Cost, Config.MaxCPU or Measure asks for it; what the
// kernel skipped is counted in any case.
func (t *Tracer) Cost() Cost {
	programs, over, records := t.meter.Cost()
	return Cost{programs, over, records}
}

// Measure measures the cost while on, from the next moment on, for somebody who
// looks at it. Run does the measuring.
func (t *Tracer) Measure(on bool) { t.meter.Watch(on) }

package cost

import (
	"errors"
	"fmt"
)

// Report is the section tracer of docs/bench.json.
type Report struct {
	// Kernel and Emulator say where Counted comes from.
	Kernel   string `json:"kernel"`
	Emulator string `json:"emulator"`
	// Binary is the size of the program that traces, in bytes.
	Binary int64 `json:"binary,omitempty"`
	// Counted are the costs of records in instructions of the guest.
	Counted []Result `json:"counted"`
}

// find returns the result of a tool and a load, nil where there is none or no
// report.
func (r *Report) find(tool string, load Load) *Result {
	if r == nil {
		return nil
	}
	for i := range r.Counted {
		if r.Counted[i].Tool == tool && r.Counted[i].Load == load {
			return &r.Counted[i]
		}
	}
	return nil
}

// Overhead is what a tool adds to its untraced twin of the same run.
func (r *Report) Overhead(res *Result) (Cost, error) {
	twin := r.find(Untraced, res.Load)
	if twin == nil {
		return Cost{}, fmt.Errorf("%v was not measured untraced", res.Load)
	}
	return Cost{res.Cost.Send - twin.Cost.Send, res.Cost.Recv - twin.Cost.Recv}, nil
}

// tolerance is how much the programs may grow before Check complains.
const tolerance = 1.02

// Check compares what the tracer's programs take now with what is committed. It
// leaves the rest of Cost alone: by how the kernel finds memory and when it
// acknowledges, the same work differs by some hundred instructions from one
// start of the tracer to the next.
func Check(now, committed *Report) error {
	var errs []error
	compared := 0
	for i := range now.Counted {
		res := &now.Counted[i]
		if res.Tool == Untraced {
			continue
		}
		compared++
		if res.Programs == nil {
			errs = append(errs, fmt.Errorf("%s, %v: no program ran", res.Tool, res.Load))
			continue
		}
		was := committed.find(res.Tool, res.Load)
		if was == nil || was.Programs == nil {
			errs = append(errs, fmt.Errorf("%s, %v: no figure is committed (make bench)", res.Tool, res.Load))
		} else if *res.Programs > *was.Programs*tolerance {
			errs = append(errs, fmt.Errorf("%s, %v: the programs take %.0f instructions a record, committed are %.0f",
				res.Tool, res.Load, *res.Programs, *was.Programs))
		}
	}
	if compared == 0 {
		errs = append(errs, errors.New("nothing to compare: no tool was measured"))
	}
	return errors.Join(errs...)
}

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

// find returns the result of a tool and a load, nil where there is none.
func (r *Report) find(tool string, load Load) *Result {
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

// tolerance is how much a cost may grow before Check complains: two of a hundred,
// and what a changed alignment of the kernel's memory makes of it.
const (
	tolerance = 1.02
	slack     = 40
)

// Check compares what was measured now with what is committed. It looks at the
// records that fit a page, whose figures repeat to the instruction; how the
// kernel finds memory for larger ones depends on what ran before.
func Check(now, committed *Report) error {
	var errs []error
	compared := 0
	for i := range now.Counted {
		res := &now.Counted[i]
		if res.Tool == Untraced || res.Load.Size > 4096 {
			continue
		}
		was := committed.find(res.Tool, res.Load)
		if was == nil {
			errs = append(errs, fmt.Errorf("%s, %v: no figure is committed (make bench)", res.Tool, res.Load))
			continue
		}
		before, err := committed.Overhead(was)
		if err != nil {
			return err
		}
		after, err := now.Overhead(res)
		if err != nil {
			return err
		}
		compared++
		if after.Total() > before.Total()*tolerance+slack {
			errs = append(errs, fmt.Errorf("%s, %v: %.0f instructions a record, committed are %.0f",
				res.Tool, res.Load, after.Total(), before.Total()))
		}
	}
	if compared == 0 && errs == nil {
		return errors.New("nothing to compare with: make bench writes docs/bench.json")
	}
	return errors.Join(errs...)
}

package cost

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Report has the costs measured on one kernel.
type Report struct {
	// Kernel and Emulator identify the machine of Counted.
	Kernel   string `json:"kernel"`
	Emulator string `json:"emulator"`
	// Read is the cost of bpf_probe_read_kernel of a whole record of 16 KiB.
	Read float64 `json:"read_16k"`
	// Binary is the size of the tracing program, in bytes.
	Binary int64 `json:"binary,omitempty"`
	// Counted are the costs of records in instructions of the guest.
	Counted []Result `json:"counted"`
	// Absent says why other tools did not run.
	Absent map[string]string `json:"absent,omitempty"`
}

// Series is the kernel's series, such as 6.12 for Linux 6.12.94+deb13-amd64.
func (r *Report) Series() string {
	_, release, _ := strings.Cut(r.Kernel, " ")
	numbers := strings.FieldsFunc(release, func(c rune) bool { return c < '0' || c > '9' })
	return strings.Join(numbers[:min(2, len(numbers))], ".")
}

// find returns the result of a tool and a load, nil if there is none.
func (r *Report) find(tool string, load Load) *Result {
	i := slices.IndexFunc(r.Counted, func(res Result) bool { return res.Tool == tool && res.Load == load })
	if i < 0 {
		return nil
	}
	return &r.Counted[i]
}

// Add takes results; if it already has one of the same tool and load, it keeps the
// cheaper.
func (r *Report) Add(results ...Result) {
	for _, res := range results {
		if was := r.find(res.Tool, res.Load); was != nil {
			was.Cost = was.Cost.least(res.Cost)
		} else {
			r.Counted = append(r.Counted, res)
		}
	}
}

// NotRun records that a tool did not run, and why.
func (r *Report) NotRun(tool string, why error) {
	if r.Absent == nil {
		r.Absent = map[string]string{}
	}
	text, _, _ := strings.Cut(why.Error(), "\n")
	r.Absent[tool] = strings.TrimPrefix(text, tool+": ")
}

// Overhead is the cost that a tool adds to its untraced twin of the same run.
func (r *Report) Overhead(res *Result) (Cost, error) {
	untraced := r.find(Untraced, res.Load)
	if untraced == nil {
		return Cost{}, fmt.Errorf("%v was not measured untraced", res.Load)
	}
	return Cost{res.Cost.Send - untraced.Cost.Send, res.Cost.Recv - untraced.Cost.Recv}, nil
}

// Figure is the cost that a mode adds to a record sent and received; false if it was
// not measured.
func (r *Report) Figure(m *Mode) (float64, bool) {
	res := r.find(m.Name, m.Load)
	if res == nil {
		return 0, false
	}
	return r.figure(m, res.Cost)
}

func (r *Report) figure(m *Mode, c Cost) (float64, bool) {
	over, err := r.Overhead(&Result{Load: m.Load, Cost: c})
	return over.Total() - float64(m.Reads)*r.Read, err == nil
}

// tolerance is how much a figure may grow before Check fails, and shrink before it
// reports that.
const tolerance = 1.02

// Enough reports whether a cost is within the committed figure of this kernel, or no
// figure is committed. For a mode it compares the added cost. For the untraced work it
// compares the whole cost, and only on the same package of the kernel, since others
// differ.
func (r *Report) Enough(modes []Mode, committed *Report) func(tool string, load Load, c Cost) bool {
	return func(tool string, load Load, c Cost) bool {
		if was := committed.find(tool, load); tool == Untraced && was != nil && r.Kernel == committed.Kernel {
			return c.Total() <= was.Cost.Total()*sameCostRatio
		}
		i := slices.IndexFunc(modes, func(m Mode) bool { return m.Name == tool && m.Load == load })
		if i < 0 {
			return true
		}
		was, known := committed.Figure(&modes[i])
		now, measured := r.figure(&modes[i], c)
		return !known || !measured || now <= was*tolerance
	}
}

// sameCostRatio is by how much the untraced work may cost more and still have taken the
// same path through the kernel.
const sameCostRatio = 1.002

// Check compares the costs of the modes with the committed ones of this kernel. The
// error lists those that have grown; notes list those that have shrunk.
func Check(modes []Mode, now, committed *Report) (notes []string, err error) {
	var errs []error
	if committed.Kernel != "" && now.Kernel != committed.Kernel {
		notes = append(notes, fmt.Sprintf("measured on %s, committed is %s", now.Kernel, committed.Kernel))
	}
	for i := range modes {
		m := &modes[i]
		where := now.Series() + ", " + m.Name
		is, measured := now.Figure(m)
		was, known := committed.Figure(m)
		switch {
		case !measured:
			errs = append(errs, fmt.Errorf("%s: not measured", where))
		case !known:
			errs = append(errs, fmt.Errorf("%s: no figure is committed (%s)", where, refresh))
		case is > was*tolerance:
			errs = append(errs, fmt.Errorf("%s: adds %.0f instructions to a record, committed are %.0f", where, is, was))
		case is*tolerance < was:
			notes = append(notes, fmt.Sprintf("%s: adds %.0f instructions to a record, committed are %.0f: refresh them (%s)", where, is, was, refresh))
		}
	}
	return notes, errors.Join(errs...)
}

// refresh is the command that measures the figures that Check compares with.
const refresh = "make bench-modes"

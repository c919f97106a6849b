package cost

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// Result is what one Load cost under one Tool.
type Result struct {
	Tool string `json:"tool"`
	Load Load   `json:"load"`
	Cost Cost   `json:"cost"`
	// Reader is the tool's own time on a processor for each record, in
	// nanoseconds; nil where the tool is not a process beside the work.
	Reader *float64 `json:"reader,omitempty"`
}

// Matrix is which loads run under which tools.
type Matrix struct {
	Tools []Tool
	Loads []Load
	// Self is this program, which does the work as a child.
	Self string
}

// Measure runs all. A tool that cannot run is an error: a table with holes
// would be read as a comparison.
func (m *Matrix) Measure(progress func(Result)) ([]Result, error) {
	var all []Result
	for _, tool := range m.Tools {
		for _, load := range m.Loads {
			r, err := m.measure(&tool, load)
			if err != nil {
				return nil, fmt.Errorf("%s, %v: %w", tool.Name, load, err)
			}
			progress(r)
			all = append(all, r)
		}
	}
	return all, nil
}

func (m *Matrix) measure(tool *Tool, load Load) (r Result, err error) {
	r = Result{Tool: tool.Name, Load: load}
	if len(tool.Args) == 0 || tool.Wraps {
		r.Cost, err = m.child(tool.Args, load)
		return r, err
	}
	t, err := tool.start()
	if err != nil {
		return r, err
	}
	defer t.stop()
	reader, err := m.awake(t, load)
	if err != nil {
		return r, err
	}
	r.Reader = &reader
	if err := t.pause(); err != nil {
		return r, err
	}
	r.Cost, err = m.child(nil, load)
	if rerr := t.resume(); err == nil {
		err = rerr
	}
	return r, err
}

// settle is how long a reader needs at most to look at what is there.
const settle = 300 * time.Millisecond

// awake returns what the tool's own work takes for each record.
func (m *Matrix) awake(t *running, load Load) (float64, error) {
	before, err := t.runTime()
	if err != nil {
		return 0, err
	}
	if _, err := m.child(nil, load); err != nil {
		return 0, err
	}
	time.Sleep(settle)
	after, err := t.runTime()
	if err != nil {
		return 0, err
	}
	// What the tool does anyway, with nothing to read.
	time.Sleep(settle)
	idle, err := t.runTime()
	if err != nil {
		return 0, err
	}
	return max(0, after-before-(idle-after)) / float64(load.records()), nil
}

// child does the work in a process of its own, below a tool that wraps.
func (m *Matrix) child(wrapper []string, load Load) (c Cost, err error) {
	args := append(slices.Clone(wrapper), m.Self, "-load", "-size", strconv.Itoa(load.Size), "-conns", strconv.Itoa(load.Conns))
	if load.Sendfile {
		args = append(args, "-sendfile")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(out, &c)
}

package cost

import (
	"encoding/json"
	"errors"
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
	// Life is what the tool's process was seen to take; nil like Reader.
	Life *Life `json:"life,omitempty"`
}

// Life is a tool's process from its start to its end.
type Life struct {
	// Start is how long it takes until it watches, Stop until it has ended after
	// Ctrl-C, both in seconds of the guest.
	Start float64 `json:"start"`
	Stop  float64 `json:"stop"`
	// PeakRSS is the most memory it has had resident, in bytes (VmHWM).
	PeakRSS int64 `json:"peak_rss"`
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
		r.Cost, err = m.least(load, func() (Cost, error) { return m.child(tool.Args, load) })
		return r, err
	}
	t, err := tool.start()
	if err != nil {
		return r, err
	}
	err = m.watched(t, &r)
	stop := time.Now()
	t.stop()
	if err == nil {
		r.Life.Start, r.Life.Stop = t.took.Seconds(), time.Since(stop).Seconds()
	}
	return r, err
}

// watched does the work twice: with the tool's process awake and asleep.
func (m *Matrix) watched(t *running, r *Result) error {
	reader, err := m.awake(t, r.Load)
	if err != nil {
		return err
	}
	r.Reader = &reader
	rss, err := t.peakRSS()
	if err != nil {
		return err
	}
	r.Life = &Life{PeakRSS: rss}
	r.Cost, err = m.least(r.Load, func() (c Cost, err error) {
		if err := t.pause(); err != nil {
			return c, err
		}
		c, err = m.child(nil, r.Load)
		err = errors.Join(err, t.resume())
		time.Sleep(settle) // a full buffer would lose the rest, which is cheap
		return c, err
	})
	return err
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

// tries is how often the work of one connection is done. Where the kernel puts a
// process's memory makes a difference of some hundred instructions, one way or
// the other, and while the tracer's meter lets the kernel time its programs, each
// takes 80 more: the least is what can be compared.
const tries = 3

func (m *Matrix) least(load Load, work func() (Cost, error)) (Cost, error) {
	least, err := work()
	for n := 1; n < tries && load.Conns == 1 && err == nil; n++ {
		var c Cost
		c, err = work()
		least = Cost{min(least.Send, c.Send), min(least.Recv, c.Recv)}
	}
	return least, err
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

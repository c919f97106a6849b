package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
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
	// Programs is what the tool's BPF programs took of a record sent and received,
	// the measuring included; nil where the tool is not a process beside the work
	// or has none, and with many connections, whose begin would be most of it.
	Programs *float64 `json:"programs,omitempty"`
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
	// Known is what Check will compare with; nil to measure all alike.
	Known *Report
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
		r.Cost, err = m.repeat(load, func() (Cost, error) { return m.child(tool.Args, load) })
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
	r.Cost, err = m.repeat(r.Load, func() (Cost, error) { return m.asleep(t, r.Load) })
	if err != nil || r.Load.Conns > 1 {
		return err
	}
	return m.programs(t, r)
}

// asleep does the work while the tool's process is stopped.
func (m *Matrix) asleep(t *running, load Load) (c Cost, err error) {
	if err := t.pause(); err != nil {
		return c, err
	}
	c, err = m.child(nil, load)
	err = errors.Join(err, t.resume())
	time.Sleep(settle) // a full buffer would lose the rest, which is cheap
	return c, err
}

// programs is what the kernel measures of the tool's BPF programs for a record.
// Unlike Cost it knows nothing of what the rest of the kernel does.
func (m *Matrix) programs(t *running, r *Result) error {
	if err := measurePrograms(true); err != nil {
		return err
	}
	least, err := m.leastOfPrograms(t, r)
	if least > 0 {
		r.Programs = &least
	}
	return errors.Join(err, measurePrograms(false))
}

// An interrupt within a program counts as its own, and adds up to 5 of a hundred:
// so the least counts of so many runs, or, where a figure is known, of as many as
// it takes to come down to it.
const (
	programTries = 9
	knownTries   = 40
)

func (m *Matrix) leastOfPrograms(t *running, r *Result) (float64, error) {
	tries, enough := programTries, 0.0
	if known := m.Known.find(r.Tool, r.Load); known != nil && known.Programs != nil {
		tries, enough = knownTries, *known.Programs*tolerance
	}
	least := math.Inf(1)
	for n := 0; n < tries && least > enough; n++ {
		before, err := t.programTime()
		if err != nil {
			return 0, err
		}
		if _, err := m.asleep(t, r.Load); err != nil {
			return 0, err
		}
		after, err := t.programTime()
		if err != nil {
			return 0, err
		}
		least = min(least, (after-before)/float64(r.Load.records()))
	}
	return least, nil
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
// process's memory makes a difference of some hundred instructions, in a rare run
// of many thousand, and while the tracer's meter lets the kernel time its
// programs, each takes 80 more: the median is what is published.
const tries = 5

func (m *Matrix) repeat(load Load, work func() (Cost, error)) (Cost, error) {
	n := tries
	if load.Conns > 1 {
		n = 1
	}
	var send, recv []float64
	for range n {
		c, err := work()
		if err != nil {
			return c, err
		}
		send, recv = append(send, c.Send), append(recv, c.Recv)
	}
	return Cost{median(send), median(recv)}, nil
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

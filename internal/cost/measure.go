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

// Result is the cost of one Load under one Tool.
type Result struct {
	Tool string `json:"tool"`
	Load Load   `json:"load"`
	Cost Cost   `json:"cost"`
	// Reader is the tool's own processor time for each record, in nanoseconds; nil if
	// it was not requested, or if the tool is not a process beside the work.
	Reader *float64 `json:"reader,omitempty"`
	// Life is what the tool's process took; nil like Reader, and for all but the first
	// load of a round.
	Life *Life `json:"life,omitempty"`
}

// Life is a tool's process from its start to its end.
type Life struct {
	// Start is the time until the tool watches, Stop the time it takes to end after
	// Ctrl-C, both in seconds of the guest.
	Start float64 `json:"start"`
	Stop  float64 `json:"stop"`
	// PeakRSS is the highest resident memory of the process, in bytes (VmHWM).
	PeakRSS int64 `json:"peak_rss"`
}

// Runner does the work under tools, in children of this program.
type Runner struct {
	Self string
	// Rounds is how often a tool is started, and Starts how often the work is started
	// in each of these rounds: starting the work takes a second, starting a tool
	// several.
	Rounds, Starts int
	// Readers says that the tools' own processes are measured too.
	Readers bool
	// Enough, if not nil, reports whether a cost is as low as expected. A higher cost
	// is measured in more rounds, because the kernel may have taken another path.
	Enough func(tool string, load Load, cost Cost) bool
	// Progress is called with each result.
	Progress func(Result)
}

// moreRounds is the highest number of rounds if the cost is not low enough.
const moreRounds = 6

// Measure does all loads under each start of a tool.
func (n *Runner) Measure(tool *Tool, loads ...Load) ([]Result, error) {
	all := make([]Result, len(loads))
	for i, load := range loads {
		all[i] = Result{Tool: tool.Name, Load: load, Cost: costliest}
	}
	for i := 0; i < n.Rounds || i < n.Rounds+moreRounds && !n.enough(all); i++ {
		if err := n.round(tool, all); err != nil {
			return nil, fmt.Errorf("%s: %w", tool.Name, err)
		}
	}
	for _, r := range all {
		n.Progress(r)
	}
	return all, nil
}

func (n *Runner) enough(all []Result) bool {
	return n.Enough == nil || !slices.ContainsFunc(all, func(r Result) bool { return !n.Enough(r.Tool, r.Load, r.Cost) })
}

func (n *Runner) round(tool *Tool, all []Result) error {
	if len(tool.Args) == 0 || tool.Wraps {
		return n.least(all, func(load Load) (Cost, error) { return n.child(tool.Args, load) })
	}
	t, err := tool.start()
	if err != nil {
		return err
	}
	err = n.beside(t, all)
	stop := time.Now()
	t.stop()
	if err == nil && all[0].Life != nil {
		all[0].Life.Start, all[0].Life.Stop = t.startup.Seconds(), time.Since(stop).Seconds()
	}
	return errors.Join(err, t.sawAll())
}

// beside does the work beside a tool's process, which runs only while its own work is
// measured.
func (n *Runner) beside(t *running, all []Result) error {
	for i := range all {
		if !n.Readers || all[i].Reader != nil {
			continue
		}
		if err := n.awake(t, &all[i]); err != nil {
			return err
		}
	}
	if n.Readers && all[0].Life == nil {
		rss, err := t.peakRSS()
		if err != nil {
			return err
		}
		all[0].Life = &Life{PeakRSS: rss}
	}
	return n.least(all, func(load Load) (Cost, error) { return n.asleep(t, load) })
}

// least does the work of each result, and keeps the cheapest.
func (n *Runner) least(all []Result, work func(Load) (Cost, error)) error {
	for i := range all {
		for range n.Starts {
			c, err := work(all[i].Load)
			if err != nil {
				return err
			}
			all[i].Cost = all[i].Cost.least(c)
		}
	}
	return nil
}

// asleep does the work while the tool's process is stopped.
func (n *Runner) asleep(t *running, load Load) (c Cost, err error) {
	if err := t.pause(); err != nil {
		return c, err
	}
	c, err = n.watched(t, load)
	if err = errors.Join(err, t.resume()); err != nil {
		return c, err
	}
	_, err = t.rest() // a full buffer would drop the rest, which is cheap
	return c, err
}

// watched does the work while the tool sees it.
func (n *Runner) watched(t *running, load Load) (Cost, error) {
	t.sent += load.records()
	return n.child(nil, load)
}

// awake measures the tool's own processor time for each record.
func (n *Runner) awake(t *running, r *Result) error {
	before, err := t.runTime()
	if err != nil {
		return err
	}
	if _, err := n.watched(t, r.Load); err != nil {
		return err
	}
	times, err := t.rest()
	if err != nil {
		return err
	}
	after, err := t.runTime()
	if err != nil {
		return err
	}
	// The processor time that the tool takes with nothing to read.
	time.Sleep(drainTime)
	idle, err := t.runTime()
	if err != nil {
		return err
	}
	took := max(0, after-before-float64(times)*(idle-after)) / float64(r.Load.records())
	r.Reader = &took
	return nil
}

// child does the work in a process of its own, as the child of a tool that wraps.
func (n *Runner) child(wrapper []string, load Load) (c Cost, err error) {
	args := append(slices.Clone(wrapper), n.Self, "-load", "-size", strconv.Itoa(load.Size), "-conns", strconv.Itoa(load.Conns))
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

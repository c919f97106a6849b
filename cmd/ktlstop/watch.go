package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// sampleEvery is how often the kernel's counters are read even if nobody asks:
// those of closed connections wait there, and their room is bounded.
const sampleEvery = time.Second

// watch turns what the tracer adds up and tells into snapshots.
type watch struct {
	tracer    *loader.Tracer
	collector *flow.Collector
	about     *flow.Run
	choice    *choice
	index     *cgroup.Index

	mu   sync.Mutex
	last time.Time // of the last reading
	err  error     // of the first reading that failed

	// screen is held while the screen looks at the tracer: its library does not
	// wait for a picture in the making when it ends.
	screen sync.Mutex
	over   bool
	shown  *flow.Snapshot
}

// newWatch watches a tracer that adds records up, or with an expression, or where
// that cannot be, one that tells each of them.
func newWatch(t *loader.Tracer, expr *match.Expr, filter string) *watch {
	about := aboutRun(t)
	about.Filter = filter
	about.Notes = append(about.Notes, inUserSpace(expr)...)
	return &watch{tracer: t, about: about, choice: newChoice(expr), index: cgroup.NewIndex(),
		collector: flow.NewCollector(flow.Config{Offset: int64(loader.WallOffset()), Sampled: t.Aggregates()})}
}

// run traces until ctx ends or d, if not 0, has passed.
func (w *watch) run(ctx context.Context, d time.Duration) error {
	if d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	return w.tracer.Run(ctx, withContainers(w.observe), w.idle)
}

// observe hands events to the collector; what --match leaves out only counts
// for the sequences.
func (w *watch) observe(ev event.Event) error {
	if w.choice.wants(ev) {
		w.collector.Observe(ev)
	} else {
		w.collector.Pass(ev)
	}
	return nil
}

func (w *watch) idle() error {
	w.mu.Lock()
	due := time.Since(w.last) >= sampleEvery
	w.mu.Unlock()
	if due {
		w.sample()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watch) sample() {
	err := w.tracer.Samples(func(s *event.Sample) { // by one at a time
		s.Proc.Container = w.index.Container(s.Proc.CgroupID)
		w.collector.Sample(s)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	if w.err == nil {
		w.err = err
	}
}

// snapshot is the state as of now.
func (w *watch) snapshot() *flow.Snapshot {
	w.screen.Lock()
	defer w.screen.Unlock()
	if w.over {
		return w.shown
	}
	w.sample()
	w.shown = w.collector.Snapshot(loader.Monotonic())
	w.shown.Run = w.present(w.shown.Lost)
	return w.shown
}

// end is called before the tracer closes; nobody looks at it afterwards.
func (w *watch) end() {
	w.screen.Lock()
	defer w.screen.Unlock()
	w.over = true
}

// choose shows a connection in detail, and makes the kernel tell its records.
func (w *watch) choose(id uint64) {
	w.screen.Lock()
	defer w.screen.Unlock()
	if w.over {
		return
	}
	w.collector.Select(id)
	if err := w.tracer.Stream(id); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.err = errors.Join(w.err, err)
	}
}

// present is what there is to say about the run by now.
func (w *watch) present(lost map[string]uint64) *flow.Run {
	r := *w.about
	cost := w.tracer.Cost()
	r.Programs, r.CostOver, r.CostRecords = cost.Programs, cost.Over, cost.Records
	for _, f := range w.tracer.Rings() {
		r.Rings = append(r.Rings, flow.Ring{Name: f.Name, Size: f.Size, Used: f.Used, Lost: lost[f.Cause]})
	}
	r.CPUs = runtime.NumCPU()
	return &r
}

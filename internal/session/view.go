package session

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/hint"
	"github.com/ktlstop/ktlstop/internal/names"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// About is what a screen shows of the run and its caller knows.
type About struct {
	Version string
	Filter  string   // as it was asked for
	Notes   []string // lines about limits that were set
}

// sampleEvery is how often the kernel's sums are read if no snapshot reads them: those of
// closed connections wait in a map of fixed size.
const sampleEvery = time.Second

// watched is the part of a tracer that the pull side uses.
type watched interface {
	described
	Hooks() []loader.HookState
	Aggregates() bool
	Samples(visit func(*event.Sample)) error
	Stream(conn uint64) error
	Held(conn uint64) (*event.Held, error)
	Rings() []loader.BufferUsage
	Measure(on bool)
}

// view is the pull side: it makes snapshots from the tracer's sums and events.
type view struct {
	tracer    watched
	collector *flow.Collector
	about     *flow.Run
	choice    *choice
	names     *names.Names
	clock     *Clock
	hints     *hint.Engine

	mu   sync.Mutex
	last time.Time // of the last reading
	err  error     // of the first reading that failed

	// looking is locked while a snapshot uses the tracer: the library of the screen does
	// not wait for a frame in progress when it ends.
	looking sync.Mutex
	over    bool
	shown   *flow.Snapshot
}

// newView returns a view of a tracer that adds records up. With an expression, or if the
// backend cannot add up, the tracer reports each record instead.
func newView(t watched, cfg *Config) *view {
	about := aboutRun(t, &cfg.About)
	about.Notes = slices.Concat(InUserSpace(cfg.Loader.Match), cfg.Names.Notes(), cfg.About.Notes)
	return &view{tracer: t, about: about, choice: newChoice(cfg.Loader.Match), names: cfg.Names,
		clock: cfg.Clock, hints: hint.NewEngine(), collector: flow.NewCollector(flow.Config{Sampled: t.Aggregates()})}
}

// aboutRun returns what does not change during the run.
func aboutRun(t watched, about *About) *flow.Run {
	host, _ := os.Hostname() // an empty name is no harm
	return &flow.Run{Host: host, Kernel: kernelRelease(), Version: about.Version, Filter: about.Filter, Source: "live", Tier: t.Tier()}
}

func kernelRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// observe gives events to the collector. Records that --match rejects count only for the
// sequences.
func (w *view) observe(ev event.Event) {
	w.hints.Observe(ev)
	if w.choice.wants(ev) {
		w.collector.Observe(ev)
	} else {
		w.collector.Pass(ev)
	}
}

func (w *view) idle() error {
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

func (w *view) sample() {
	err := w.tracer.Samples(func(s *event.Sample) { // by one at a time
		w.names.Fill(&s.Proc)
		w.collector.Sample(s)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	if w.err == nil {
		w.err = err
	}
}

// snapshot returns the current state.
func (w *view) snapshot() *flow.Snapshot {
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.over {
		return w.shown
	}
	w.sample()
	now := loader.Monotonic()
	w.shown = w.collector.Snapshot(now)
	w.shown.Offset = w.clock.Offset(now)
	w.shown.Run = w.present(w.shown.Lost)
	w.readHeld(w.shown.Detail)
	return w.shown
}

// readHeld reads what the chosen connection holds back.
func (w *view) readHeld(d *flow.Detail) {
	if d == nil || d.Row == nil || d.Row.Closed != 0 {
		return
	}
	held, err := w.tracer.Held(d.Row.Conn.ID)
	d.Held = held
	if err != nil {
		w.fail(err)
	}
}

// fail keeps an error for Run to return.
func (w *view) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
}

// end is called before the tracer closes. The view does not use the tracer after that.
func (w *view) end() {
	w.looking.Lock()
	defer w.looking.Unlock()
	w.over = true
}

// choose shows a connection in detail, and makes the kernel report its records.
func (w *view) choose(id uint64) {
	w.looking.Lock()
	defer w.looking.Unlock()
	if w.over {
		return
	}
	w.collector.Select(id)
	if err := w.tracer.Stream(id); err != nil {
		w.fail(err)
	}
}

// present returns what is known of the run by now.
func (w *view) present(lost map[string]uint64) *flow.Run {
	r := *w.about
	for _, h := range w.tracer.Hooks() { // more of them come with the first network card, and with the module of DTLS
		r.Hooks = append(r.Hooks, flow.Hook{Name: h.Function, Attached: h.Attached, Note: h.Without})
	}
	r.Notes = slices.Concat(w.tracer.Missing(), r.Notes)
	cost := w.tracer.Cost()
	r.Programs, r.CostOver, r.CostRecords = cost.Programs, cost.Over, cost.Records
	for _, f := range w.tracer.Rings() {
		ring := flow.Ring{Name: f.Name, Size: f.Size, Used: f.Used}
		for _, cause := range f.Causes {
			ring.Lost += lost[cause]
		}
		r.Rings = append(r.Rings, ring)
	}
	r.CPUs = runtime.NumCPU()
	if err := w.names.Outage(); err != nil {
		r.Notes = append(slices.Clip(r.Notes), "pods have no names: "+err.Error())
	}
	if note := w.clock.note(); note != "" {
		r.Notes = append(r.Notes, note)
	}
	return &r
}

// Snapshot returns the current state, nil without Config.Watch.
func (s *Session) Snapshot() *flow.Snapshot {
	if s.view == nil {
		return nil
	}
	return s.view.snapshot()
}

// Select chooses the connection that snapshots show in detail; 0 is none. If it fails, Run
// returns the error.
func (s *Session) Select(id uint64) {
	if s.view != nil {
		s.view.choose(id)
	}
}

// Measure turns the measurement of the programs' cost on and off, for as long as a screen
// shows it. Any goroutine may call it until Close.
func (s *Session) Measure(on bool) { s.tracer.Measure(on) }

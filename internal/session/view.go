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

// About is what a screen says of the run and its user knows.
type About struct {
	Version string
	Filter  string   // as it was asked for
	Notes   []string // lines about limits that were set
}

// sampleEvery is how often the kernel's counters are read even if nobody asks:
// those of closed connections wait there, and their room is bounded.
const sampleEvery = time.Second

// watched is what the pull side asks of a tracer.
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

// view is the pull side: it turns what the tracer adds up and tells into
// snapshots.
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

	// looking is held while somebody looks at the tracer: a screen's library
	// does not wait for a picture in progress when it ends.
	looking sync.Mutex
	over    bool
	shown   *flow.Snapshot
}

// newView watches a tracer that adds records up, or with an expression, or where
// that cannot be, one that tells each of them.
func newView(t watched, cfg *Config) *view {
	about := aboutRun(t, &cfg.About)
	about.Notes = slices.Concat(InUserSpace(cfg.Loader.Match), cfg.Names.Notes(), cfg.About.Notes)
	return &view{tracer: t, about: about, choice: newChoice(cfg.Loader.Match), names: cfg.Names,
		clock: cfg.Clock, hints: hint.NewEngine(), collector: flow.NewCollector(flow.Config{Sampled: t.Aggregates()})}
}

// aboutRun is what does not change while the run lasts.
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

// observe hands events to the collector; what --match leaves out only counts
// for the sequences.
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

// snapshot is the state as of now.
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

// readHeld asks what the chosen connection holds back.
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

// fail keeps what goes wrong for Run's error.
func (w *view) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
}

// end is called before the tracer closes; nobody looks at the tracer afterwards.
func (w *view) end() {
	w.looking.Lock()
	defer w.looking.Unlock()
	w.over = true
}

// choose shows a connection in detail, and makes the kernel tell its records.
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

// present is what there is to say about the run by now.
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

// Snapshot is the state as of now, nil without Config.Watch.
func (s *Session) Snapshot() *flow.Snapshot {
	if s.view == nil {
		return nil
	}
	return s.view.snapshot()
}

// Select shows a connection of snapshots in detail, 0 for none. What goes wrong
// is an error of Run.
func (s *Session) Select(id uint64) {
	if s.view != nil {
		s.view.choose(id)
	}
}

// Measure measures the programs' cost while on, for somebody who looks at it in
// snapshots. It may be called from any goroutine until Close.
func (s *Session) Measure(on bool) { s.tracer.Measure(on) }

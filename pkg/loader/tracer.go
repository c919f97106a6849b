// Package loader attaches the BPF programs to the kernel's TLS code and turns
// what they report into events. It is the only package that knows of BPF.
package loader

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// pollInterval is how long an event may lie in a ring that is nearly empty.
const pollInterval = 50 * time.Millisecond

// Tracer is a set of attached programs. Its methods are for one goroutine.
type Tracer struct {
	coll     *ebpf.Collection
	links    []link.Link
	events   *ringbuf.Reader
	payloads *ringbuf.Reader
	asm      *assembler
	missing  []string
	hooks    []HookState
	lost     lostCounter
	meter    *meter
	sampler  *sampler // nil without Config.Aggregate
	stream   atomic.Uint64
	streamed uint64 // what stream was when the loop last looked
	snaplen  int
	begin    time.Time
	end      time.Time
}

// Open loads and attaches the programs and takes the inventory of the sockets
// that are open already. The error is an *UnsupportedError where the machine
// lacks something.
func Open(cfg Config) (*Tracer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := Preflight(); err != nil {
		return nil, err
	}
	t := &Tracer{snaplen: cfg.Snaplen}
	if err := t.open(&cfg); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tracer) open(cfg *Config) error {
	spec, present, err := t.prepare(cfg)
	if err != nil {
		return err
	}
	if t.coll, err = ebpf.NewCollection(spec); err != nil {
		return loadError(err)
	}
	if err := t.openRings(cfg); err != nil {
		return err
	}
	t.meter = newMeter(t.coll.Programs)
	if cfg.Aggregate {
		t.sampler, t.asm.aggregate = newSampler(t.coll.Maps["stats"]), true
	}
	if err := fillFilter(t.coll, &cfg.Filter); err != nil {
		return err
	}
	if err := t.attach(present); err != nil {
		return err
	}
	t.begin = time.Now()
	t.meter.step(t.begin)
	if err := t.setLive(true); err != nil {
		return err
	}
	return t.takeInventory()
}

// attach attaches all hooks at once: the kernel lets each wait for a grace
// period, and they may share it.
func (t *Tracer) attach(hooks []hook) error {
	links, errs := make([][]link.Link, len(hooks)), make([]error, len(hooks))
	var wg sync.WaitGroup
	for i, h := range hooks {
		wg.Go(func() { links[i], errs[i] = attach(t.coll, h) })
	}
	wg.Wait()
	t.links = slices.Concat(links...)
	for i, h := range hooks {
		if errs[i] != nil && h.required {
			return errs[i]
		}
		t.hooks = append(t.hooks, HookState{h.function, errs[i] == nil, h.without})
		if errs[i] != nil {
			t.missing = append(t.missing, h.function+": "+errs[i].Error())
		}
	}
	return nil
}

// setLive lets all programs see records, or none.
func (t *Tracer) setLive(on bool) error {
	if err := t.coll.Variables["live"].Set(uint32(boolInt(on))); err != nil {
		return fmt.Errorf("switch the programs: %w", err)
	}
	return nil
}

// Duration is how long the programs have been, or were, live.
func (t *Tracer) Duration() time.Duration {
	if t.end.IsZero() {
		return time.Since(t.begin)
	}
	return t.end.Sub(t.begin)
}

// prepare makes the programs fit this kernel and this run.
func (t *Tracer) prepare(cfg *Config) (*ebpf.CollectionSpec, []hook, error) {
	spec, err := loadKtls()
	if err != nil {
		return nil, nil, fmt.Errorf("read the BPF object: %w", err)
	}
	kernel, err := loadTypes()
	if err != nil {
		return nil, nil, err
	}
	present, missing, err := choose(spec, kernel)
	if err != nil {
		return nil, nil, err
	}
	t.missing = missing
	if err := setArguments(spec, kernel); err != nil {
		return nil, nil, err
	}
	if err := setPageVariables(spec); err != nil {
		if cfg.Snaplen > 0 || cfg.looksInside() {
			return nil, nil, err
		}
		t.missing = append(t.missing, "page addresses: alert and handshake records show no details ("+err.Error()+")")
	}
	delete(spec.Programs, "read_kernel")
	delete(spec.Programs, "match_once")
	if cfg.ListOnly {
		present = nil
		maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != inventoryProgram })
	}
	if err := setTwins(spec, preemptible()); err != nil {
		return nil, nil, err
	}
	spec.Maps["events"].MaxEntries = cfg.ring()
	spec.Maps["payloads"].MaxEntries = cfg.payloadRing()
	if !cfg.Aggregate {
		spec.Maps["stats"].MaxEntries, spec.Maps["late"].MaxEntries = 1, 1
	}
	return spec, present, setOptions(spec, cfg)
}

func setOptions(spec *ebpf.CollectionSpec, cfg *Config) error {
	return errors.Join(
		setVariable(spec, "snaplen", uint32(cfg.Snaplen)),
		setVariable(spec, "aggregate", uint32(boolInt(cfg.Aggregate))),
		setVariable(spec, "nr_sendfile", int32(unix.SYS_SENDFILE)),
		setVariable(spec, "nr_splice", int32(unix.SYS_SPLICE)),
		setVariable(spec, "wake_mark", cfg.ring()/4),
		setVariable(spec, "data_mark", cfg.ring()/8*7),
		setFilter(spec, &cfg.Filter),
		setMatch(spec, cfg.Match),
	)
}

func loadError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return &UnsupportedError{What: "not allowed to load BPF programs",
			Hint: "run ktlstop as root (sudo ktlstop); kernel lockdown in mode confidentiality forbids it altogether", Err: err}
	}
	return fmt.Errorf("load the BPF programs: %w", err)
}

func (t *Tracer) openRings(cfg *Config) (err error) {
	if t.events, err = ringbuf.NewReader(t.coll.Maps["events"]); err != nil {
		return fmt.Errorf("open the event ring: %w", err)
	}
	if t.payloads, err = ringbuf.NewReader(t.coll.Maps["payloads"]); err != nil {
		return fmt.Errorf("open the payload ring: %w", err)
	}
	t.asm = newAssembler(t.fetchPayloads)
	t.asm.match, t.asm.container = cfg.Match, cfg.Container
	t.lost.counters = t.coll.Maps["lost"]
	return nil
}

// Missing lists the hooks that this kernel lacks, with what that costs.
func (t *Tracer) Missing() []string { return t.missing }

// HookState is one kernel function that the tracer wants, whether its program
// is attached, and what the user misses if not.
type HookState struct {
	Function string
	Attached bool
	Without  string
}

// Hooks lists the hooks of this run.
func (t *Tracer) Hooks() []HookState { return t.hooks }

// Tier is the privacy tier of the run.
func (t *Tracer) Tier() event.Tier {
	if t.snaplen > 0 {
		return event.TierSnap
	}
	return event.TierNone
}

// Run calls handle for each event until ctx ends or handle returns an error,
// which Run returns. idle, if not nil, is called when the rings are empty.
// After ctx has ended the programs are detached and the rings emptied.
func (t *Tracer) Run(ctx context.Context, handle func(event.Event) error, idle func() error) error {
	err := t.loop(ctx, handle, idle)
	t.end = time.Now()
	t.meter.stop()
	if offErr := t.setLive(false); err == nil {
		err = offErr
	}
	t.detach()
	if err != nil {
		return err
	}
	return t.drain(handle)
}

// Losses reports what was lost since Run last did, for callers that have ended
// Run with an error of their own.
func (t *Tracer) Losses(handle func(event.Event) error) error { return t.reportLosses(handle) }

func (t *Tracer) loop(ctx context.Context, handle func(event.Event) error, idle func() error) error {
	for ctx.Err() == nil {
		t.events.SetDeadline(time.Now().Add(pollInterval))
		if err := t.readAll(ctx, time.Now().Add(pollInterval), handle); err != nil {
			return err
		}
		if err := t.reportLosses(handle); err != nil {
			return err
		}
		if err := t.endStream(handle); err != nil {
			return err
		}
		t.meter.step(time.Now())
		if idle == nil {
			continue
		}
		if err := idle(); err != nil {
			return err
		}
	}
	return nil
}

// perLook is how many events are read between two looks at the clock.
const perLook = 256

// readAll reads until the ring is empty, or never is and the time is over: there
// is more to do than to read.
func (t *Tracer) readAll(ctx context.Context, until time.Time, handle func(event.Event) error) error {
	var rec ringbuf.Record
	var w wireEvent
	for n := 1; ctx.Err() == nil; n++ {
		if n%perLook == 0 && time.Now().After(until) {
			return nil
		}
		err := t.events.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the event ring: %w", err)
		}
		if err := w.decode(rec.RawSample); err != nil {
			return err
		}
		if err := t.asm.add(&w, handle); err != nil {
			return err
		}
	}
	return nil
}

// endOfTime is later than any reading ends.
var endOfTime = time.Unix(1<<40, 0)

// drain takes what the programs reported before they were detached.
func (t *Tracer) drain(handle func(event.Event) error) error {
	t.events.SetDeadline(time.Now().Add(-time.Second))
	if err := t.readAll(context.Background(), endOfTime, handle); err != nil {
		return err
	}
	if err := t.unfinished(handle); err != nil {
		return err
	}
	if err := t.asm.flush(handle); err != nil {
		return err
	}
	return t.reportLosses(handle)
}

func (t *Tracer) reportLosses(handle func(event.Event) error) error {
	if err := t.lost.report(handle); err != nil {
		return err
	}
	return t.asm.reportDropped(handle)
}

func (t *Tracer) fetchPayloads(keep func(wirePayload) bool) error {
	var rec ringbuf.Record
	var p wirePayload
	t.payloads.SetDeadline(time.Now().Add(-time.Second))
	for {
		err := t.payloads.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the payload ring: %w", err)
		}
		if err := p.decode(rec.RawSample); err != nil {
			return err
		}
		if keep(p) {
			return nil
		}
	}
}

// detach closes all links at once, as attach opens them.
func (t *Tracer) detach() {
	var wg sync.WaitGroup
	for _, l := range t.links {
		wg.Go(func() { l.Close() })
	}
	wg.Wait()
	t.links = nil
}

// Close detaches and frees everything. It may be called more than once.
func (t *Tracer) Close() {
	t.detach()
	if t.meter != nil {
		t.meter.stop()
	}
	if t.events != nil {
		t.events.Close()
	}
	if t.payloads != nil {
		t.payloads.Close()
	}
	if t.coll != nil {
		t.coll.Close()
	}
}

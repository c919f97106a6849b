//go:build linux && (amd64 || arm64)

// Package loader traces kernel TLS. It attaches BPF programs to the kernel's TLS code and
// reports events (package event): each record that a kTLS socket of the machine encrypts
// or decrypts, the sockets themselves, failures, and losses of the trace.
//
// # Use
//
// Open loads and attaches the programs. Tracer.Run calls a handler for each event until
// its context ends. Tracer.Close detaches and frees the programs.
//
// With Config.Aggregate the kernel adds the records of each connection up instead of
// reporting them; Tracer.Samples reads the sums, and Tracer.Stream chooses one connection
// whose records are reported as well.
//
// A Watch, which OpenWatch opens, is independent of a Tracer: it reports what programs
// request from the kernel before a connection has kernel TLS.
//
// # Requirements
//
// Tracing needs Linux 6.0 or later on x86-64 or arm64, the module tls, and root or
// CAP_SYS_ADMIN; docs/kernels.md lists the kernels that are known to work. If something is
// missing, Open returns an *UnsupportedError, which says what the user can do. On other
// systems the package builds, and Open returns an *UnsupportedError whose cause is
// ErrUnsupportedPlatform.
//
// # Losses
//
// The programs write into ring buffers of fixed size and never block the traced programs.
// If a buffer is full, they count what they drop, and Run reports the counts as
// *event.Lost (Causes lists the causes).
package loader

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/assemble"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/meter"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/sums"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// pollInterval is the longest time that an event waits in a ring that is nearly empty.
const pollInterval = 50 * time.Millisecond

// Tracer is a set of attached programs. Open returns it, and the caller must call Close.
//
// Concurrency:
//
//   - Run, Losses, Connections, Duration and Incomplete must not be called concurrently
//     with each other. The functions that Run calls may call Duration and Incomplete.
//   - Samples, Stream, Held, Rings, Cost, Measure and OpenSocketFilter may be called by any
//     goroutine until Close, also while Run runs. Measure may be called after Close and
//     then does nothing.
//   - Backend, Tier and Aggregates may be called by any goroutine. What they return does
//     not change after Open.
//   - Hooks and Missing may be called by any goroutine. They grow while Run runs, when the
//     DTLS module is loaded or the first connection of a network card appears.
//   - Close must be the last call, when no other method runs.
type Tracer struct {
	backend
	asm              *assemble.Assembler
	lost             lostCounter
	dtls             *datagrams
	meter            *meter.Meter
	governor         *meter.Governor // nil without Config.MaxCPU
	maxCPU           float64
	notice           func(string) // Config.Notice
	sums             *sums.Reader // nil where records are not added up, see Aggregates
	stream           atomic.Uint64
	streamed         uint64 // the value of stream when the loop last read it
	snaplen          int
	failuresReported uint64 // when the programs last reported the failures that they had only counted
	notFound         int    // sockets that the inventory did not find
	begin            time.Time
	end              time.Time
}

// Open loads and attaches the programs and takes an inventory of the sockets that are
// already open. That can take some seconds. Events from then on wait in the event ring for
// Run. Open loads the module tls if the kernel does not have it yet.
//
// The error is that of Config.Check, an *UnsupportedError if the machine lacks something,
// or ErrStopped if ctx ended first. ctx concerns Open only, not the Tracer.
func Open(ctx context.Context, cfg Config) (*Tracer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := Preflight(); err != nil {
		return nil, err
	}
	b := newBackend(&cfg)
	t := &Tracer{backend: b, maxCPU: cfg.MaxCPU, notice: cfg.Notice}
	if err := t.start(ctx, &cfg); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// stopped is called between the steps of Open, since a step of the kernel cannot be
// interrupted.
func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return ErrStopped
	}
	return nil
}

func (t *Tracer) start(ctx context.Context, cfg *Config) error {
	if err := t.open(ctx, cfg); err != nil {
		return err
	}
	t.snaplen = cfg.Snaplen // less than was asked for, where the kernel refuses it
	t.meter = meter.New(t.programs(), meter.Demand{Figure: cfg.Cost, Limited: cfg.MaxCPU > 0})
	if err := t.govern(cfg); err != nil {
		return err
	}
	if cfg.Aggregate {
		var err error
		if t.sums, err = t.newSums(); err != nil {
			return err
		}
	}
	t.asm = assemble.New(t.fetch, assemble.Options{Match: cfg.Match, Names: cfg.Names, Driver: t.driver, User: t.users().at, Aggregate: t.sums != nil})
	t.begin = time.Now()
	t.meter.Tick(t.begin)
	if err := stopped(ctx); err != nil {
		return err
	}
	if cfg.attached != nil {
		cfg.attached()
	}
	if t.name() == BackendEBPF {
		t.dtls = newDatagrams(cfg)
	}
	if err := t.setLive(true); err != nil {
		return err
	}
	var err error
	if t.notFound, err = t.inventory(); err != nil {
		return err
	}
	t.pollCards(ctx, true)
	if err := stopped(ctx); err != nil {
		return err
	}
	return t.attachDTLS(ctx)
}

// attachDTLS attaches to the DTLS module if it is loaded now. The gobpf backend does not
// trace DTLS.
func (t *Tracer) attachDTLS(ctx context.Context) error {
	if t.dtls == nil {
		return nil
	}
	return t.dtls.attachIfLoaded(ctx, time.Now(), t.meter.Add)
}

// Duration returns how long the programs have been live, or were live if Run has
// returned.
func (t *Tracer) Duration() time.Duration {
	if t.end.IsZero() {
		return time.Since(t.begin)
	}
	return t.end.Sub(t.begin)
}

// Missing lists what this kernel does not support, one line for the user each, with what
// the user misses.
func (t *Tracer) Missing() []string {
	_, missing := t.about()
	if t.dtls == nil {
		return missing
	}
	_, more := t.dtls.about()
	return slices.Concat(missing, more)
}

// Hooks lists the hooks of this run, attached or not. A hook whose kernel function does
// not exist is in Missing instead.
func (t *Tracer) Hooks() []HookState {
	hooks, _ := t.about()
	if t.dtls == nil {
		return hooks
	}
	more, _ := t.dtls.about()
	return slices.Concat(hooks, more)
}

// Backend returns BackendEBPF or BackendGobpf.
func (t *Tracer) Backend() string { return t.name() }

// Tier returns event.TierSnap if Config.Snaplen lets plaintext leave the kernel, and
// event.TierNone otherwise.
func (t *Tracer) Tier() event.Tier {
	if t.snaplen > 0 {
		return event.TierSnap
	}
	return event.TierNone
}

// Run calls handle for each event: an *event.Record, *event.Socket, *event.Error,
// *event.Drop or *event.Lost. The tracer reuses an *event.Record and its Payload after
// handle returns: handle must copy what it keeps. It may keep events of the other types.
// idle, if not nil, is called at least some times a second, when Run has read all events
// and, under load, in between. It is meant to flush what handle has written.
//
// Run blocks until ctx ends, and then returns nil, or until handle, idle or the kernel
// returns an error, which it returns. A *CostError reports that the programs exceeded
// Config.MaxCPU. Run detaches the programs before it returns. If ctx has ended, or the
// error is a *CostError, Run first empties the rings: handle gets all events that the
// programs had reported.
//
// Run can be called once; a second call returns an error. With Config.ListOnly, call it
// with a context that has ended: it reports the sockets and returns.
func (t *Tracer) Run(ctx context.Context, handle func(event.Event) error, idle func() error) error {
	if !t.end.IsZero() {
		return errRun
	}
	err := t.reportNotFound(handle)
	if err == nil {
		err = t.loop(ctx, handle, idle)
	}
	var cost *CostError
	ended := errors.As(err, &cost)
	t.end = time.Now()
	t.meter.Stop()
	if offErr := t.setLive(false); err == nil {
		err = offErr
	}
	t.detach()
	if t.dtls != nil {
		if offErr := t.dtls.stop(); err == nil {
			err = offErr
		}
	}
	if err != nil && !ended {
		return err
	}
	if drained := t.drain(handle); drained != nil {
		return drained
	}
	return err
}

func (t *Tracer) reportNotFound(handle func(event.Event) error) error {
	if t.notFound == 0 {
		return nil
	}
	return handle(&event.Lost{Mono: Monotonic(), Cause: CauseNotFound, Count: uint64(t.notFound)})
}

// errRun is the error of a second Run: the programs are detached.
var errRun = errors.New("this tracer has run: open another")

// Losses calls handle with an *event.Lost for each cause of losses since Run last reported
// them. Run reports losses by itself: Losses is for callers that have ended Run with an
// error of their own. It returns the error of handle.
func (t *Tracer) Losses(handle func(event.Event) error) error {
	if err := t.reportLosses(handle); err != nil || t.dtls == nil {
		return err
	}
	return t.dtls.reportLosses(handle)
}

func (t *Tracer) loop(ctx context.Context, handle func(event.Event) error, idle func() error) error {
	for ctx.Err() == nil {
		t.setDeadline(time.Now().Add(pollInterval))
		if err := readAll(ctx, time.Now().Add(pollInterval), t.read, t.adding(handle)); err != nil {
			return err
		}
		if err := t.reportLosses(handle); err != nil {
			return err
		}
		t.pollCards(ctx, false)
		if err := t.pollDTLS(ctx, handle); err != nil {
			return err
		}
		if err := t.releaseStream(handle); err != nil {
			return err
		}
		if now := Monotonic(); now-t.failuresReported >= uint64(time.Second) {
			t.failuresReported = now
			if err := t.reportFailures(now - uint64(time.Second)); err != nil {
				return err
			}
		}
		if share, ok := t.meter.Tick(time.Now()); ok {
			if err := t.enforceLimit(share); err != nil {
				return err
			}
		}
		if idle == nil {
			continue
		}
		if err := idle(); err != nil {
			return err
		}
	}
	return nil
}

// pollCards attaches the hooks for network cards when the first connection of one has
// appeared. Open waits for them. While Run runs, they are attached in the background, and
// the notice callback gets what is missing.
func (t *Tracer) pollCards(ctx context.Context, opening bool) {
	added, missing := t.attachCards(ctx, opening)
	if len(added) > 0 {
		t.meter.Add(added)
	}
	for _, line := range missing {
		if !opening && t.notice != nil {
			t.notice("this kernel lacks " + line)
		}
	}
}

func (t *Tracer) pollDTLS(ctx context.Context, handle func(event.Event) error) error {
	if t.dtls == nil {
		return nil
	}
	if err := t.attachDTLS(ctx); err != nil && !errors.Is(err, ErrStopped) {
		return err
	}
	return t.dtls.poll(handle)
}

// perClockCheck is how many events are read between two readings of the clock.
const perClockCheck = 256

// readAll reads until the ring is empty, or until the time is over: a ring that never is
// empty must not keep the loop from its other work.
func readAll(ctx context.Context, until time.Time, read func() ([]byte, error), add func(*wire.Event) error) error {
	var w wire.Event
	for n := 1; ctx.Err() == nil; n++ {
		if n%perClockCheck == 0 && time.Now().After(until) {
			return nil
		}
		b, err := read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.Decode(b); err != nil {
			return err
		}
		if err := add(&w); err != nil {
			return err
		}
	}
	return nil
}

// adding returns a function that assembles whole events from what is read.
func (t *Tracer) adding(handle func(event.Event) error) func(*wire.Event) error {
	return func(w *wire.Event) error {
		return t.asm.Add(w, handle)
	}
}

// endOfTime is later than any reading ends.
var endOfTime = time.Unix(1<<40, 0)

// drain reports the events that the programs wrote before they were detached.
func (t *Tracer) drain(handle func(event.Event) error) error {
	if err := t.reportFailures(math.MaxUint64); err != nil {
		return err
	}
	t.setDeadline(time.Now().Add(-time.Second))
	if err := readAll(context.Background(), endOfTime, t.read, t.adding(handle)); err != nil {
		return err
	}
	if err := t.reportUnfinished(handle); err != nil {
		return err
	}
	if err := t.asm.Flush(handle); err != nil {
		return err
	}
	if err := t.reportLosses(handle); err != nil || t.dtls == nil {
		return err
	}
	return t.dtls.finish(handle)
}

func (t *Tracer) reportLosses(handle func(event.Event) error) error {
	return t.lost.report(func() (lossCounts, error) { return allLosses(t.backend, t.asm) }, handle)
}

// allLosses returns the losses that the kernel counts and those of the assembler.
func allLosses(kernel interface{ losses() (lossCounts, error) }, asm *assemble.Assembler) (lossCounts, error) {
	n, err := kernel.losses()
	dropped := asm.Dropped()
	copy(n[2*kernelCauses:], dropped[:])
	return n, err
}

// Incomplete returns an upper bound of how many records were reported before they were
// complete, without the last of their times, because there was no room to wait for the
// rest.
func (t *Tracer) Incomplete() uint64 { return t.asm.Incomplete() }

// Close detaches and frees the programs. It may be called more than once. It does not
// close socket filters, which the caller of OpenSocketFilter owns.
func (t *Tracer) Close() {
	if t.meter != nil {
		t.meter.Stop()
	}
	if t.dtls != nil {
		t.dtls.close()
	}
	t.close()
}

//go:build linux && (amd64 || arm64)

// Package loader attaches BPF programs to the kernel's TLS code and turns what
// they report into events: each record that any kTLS socket of the machine seals or
// opens, the sockets themselves, what failed, and what was lost.
//
// Open attaches, Run hands out events until it is told to end, Close frees. That
// takes Linux with the module tls, and root or CAP_SYS_ADMIN; README.md lists the
// kernels that are known to work. Open says what a machine lacks.
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

// pollInterval is how long an event may lie in a ring that is nearly empty.
const pollInterval = 50 * time.Millisecond

// Tracer is a set of attached programs. Open makes it, and Close must be called.
// Which goroutine may call what:
//
//   - Run, Losses, Connections, Duration and Incomplete are for one goroutine, one after
//     the other; what Run calls may ask for Duration and Incomplete too.
//   - Samples, Stream, Rings, Cost, Measure and OpenSocketFilter are for any, at any
//     time until Close, while Run runs too; Measure after Close, where it does nothing.
//   - Backend, Tier and Aggregates are for any: Open settles what they return. Hooks and
//     Missing are for any too; what the module of DTLS, or the first network card, lacks
//     that comes while Run runs is added then.
//   - Close comes last, when no other method runs.
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
	streamed         uint64 // what stream was when the loop last looked
	snaplen          int
	failuresReported uint64 // when the programs were last asked for failures that they have only counted
	notFound         int    // sockets that the inventory lacks
	begin            time.Time
	end              time.Time
}

// Open loads and attaches the programs and takes the inventory of the sockets
// that are open already, which can take some seconds. What the programs tell from
// then on waits in the event ring for Run. The error is that of Config.Check, an
// *UnsupportedError where the machine lacks something, or ErrStopped where ctx
// ended first. Once Open has returned, ctx has no part in the Tracer.
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

// stopped is asked between the steps of Open: the kernel's own cannot be cut short.
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

// attachDTLS attaches to the module of DTLS, if there is one now. The gobpf backend does
// not.
func (t *Tracer) attachDTLS(ctx context.Context) error {
	if t.dtls == nil {
		return nil
	}
	return t.dtls.attachIfLoaded(ctx, time.Now(), t.meter.Add)
}

// Duration is how long the programs have been live, or were once Run has returned.
func (t *Tracer) Duration() time.Duration {
	if t.end.IsZero() {
		return time.Since(t.begin)
	}
	return t.end.Sub(t.begin)
}

// Missing says in words what this kernel lacks, a line for each hook, with what
// that costs: a line for the user.
func (t *Tracer) Missing() []string {
	_, missing := t.about()
	if t.dtls == nil {
		return missing
	}
	_, more := t.dtls.about()
	return slices.Concat(missing, more)
}

// Hooks lists the hooks of this run. What the kernel does not have is in Missing.
func (t *Tracer) Hooks() []HookState {
	hooks, _ := t.about()
	if t.dtls == nil {
		return hooks
	}
	more, _ := t.dtls.about()
	return slices.Concat(hooks, more)
}

// Backend is BackendEBPF or BackendGobpf.
func (t *Tracer) Backend() string { return t.name() }

// Tier is event.TierSnap where Config.Snaplen lets plaintext out of the kernel, else
// event.TierNone.
func (t *Tracer) Tier() event.Tier {
	if t.snaplen > 0 {
		return event.TierSnap
	}
	return event.TierNone
}

// Run calls handle for each event: an *event.Record, *event.Socket, *event.Error or
// *event.Lost. An *event.Record is the tracer's and is used again when handle has
// returned, with its Payload: copy what is to be kept. The others are handle's to
// keep. idle, if not nil, is called some times a second, whenever what there was to
// read has been read, and under load in between: to flush what handle has written.
//
// Run blocks until ctx ends, which is no error, or until handle, idle or the kernel
// returns an error, which Run returns. In each case the programs are detached. When
// ctx has ended, and before Run returns a *CostError, the rings are emptied too:
// handle gets all that was told before.
//
// Run works once: another call returns an error. With Config.ListOnly call it with a
// context that has ended: it tells of the sockets and returns.
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

// errRun: the programs are detached, and nothing comes any more.
var errRun = errors.New("this tracer has run: open another")

// Losses calls handle with an *event.Lost for each cause of what was lost since Run
// last told, for callers that have ended Run with an error of their own: Run tells
// of losses by itself. It returns handle's error.
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

// pollCards attaches what the first connection of a network card needs, if one was met:
// opening at once, and in the run beside it, when what is missing is said.
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

// perClockCheck is how many events are read between two looks at the clock.
const perClockCheck = 256

// readAll reads until the ring is empty, or never is and the time is over: there
// is more to do than to read.
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

// adding makes whole events of what is read.
func (t *Tracer) adding(handle func(event.Event) error) func(*wire.Event) error {
	return func(w *wire.Event) error {
		return t.asm.Add(w, handle)
	}
}

// endOfTime is later than any reading ends.
var endOfTime = time.Unix(1<<40, 0)

// drain takes what the programs reported before they were detached.
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

// allLosses are what the kernel counts and what the assembler does.
func allLosses(kernel interface{ losses() (lossCounts, error) }, asm *assemble.Assembler) (lossCounts, error) {
	n, err := kernel.losses()
	dropped := asm.Dropped()
	copy(n[2*kernelCauses:], dropped[:])
	return n, err
}

// Incomplete is how many records, at most, were told before they were whole, for want
// of room to wait for the rest: without the last of their times.
func (t *Tracer) Incomplete() uint64 { return t.asm.Incomplete() }

// Close detaches and frees everything. It may be called more than once. Socket
// filters have a Close of their own.
func (t *Tracer) Close() {
	if t.meter != nil {
		t.meter.Stop()
	}
	if t.dtls != nil {
		t.dtls.close()
	}
	t.close()
}

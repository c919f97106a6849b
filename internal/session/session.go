package session

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/internal/names"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/tap"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// Config selects what a session traces and when it ends.
type Config struct {
	// Loader is the configuration of the tracer.
	Loader loader.Config
	// Names sets the names of processes; nil means those of names.New. Sessions may
	// share one.
	Names *names.Names
	// Watch enables the pull side, Snapshot and Select. They do not need the event of
	// each record: Loader.Aggregate gives the same snapshots and costs less.
	Watch bool
	// Sums, if not nil, gets the sums that the kernel keeps with Loader.Aggregate. Sinks
	// then get the remaining events: control records, sockets, errors and DTLS.
	Sums Sums
	// About is what snapshots show of the run and the session does not know.
	About About
	// SocketFilter, if not nil, accepts or rejects each record.
	SocketFilter *SocketFilter
	// Limit ends the run after the sinks got this many records; 0 is no limit.
	Limit uint64
	// Duration ends the run after this time from its start, or from the first record if
	// FromFirst is set; 0 is no limit.
	Duration  time.Duration
	FromFirst bool
	// Notice, if not nil, gets a line when Loader.Sample.Auto begins and ends to skip
	// records.
	Notice func(string)
	// Clock is the wall clock of snapshots; nil creates one. Sinks of the same run must
	// share it, so that a step of the clock is reported once.
	Clock *Clock
}

// SocketFilter is an eBPF program of an object, or a classic filter.
type SocketFilter struct {
	Object, Program string
	Classic         tap.Filter // instead of Object
}

// FilterOf takes OBJ[:PROGRAM]. The name of an object that is there may have a
// colon too.
func FilterOf(name string) *SocketFilter {
	i := strings.LastIndexByte(name, ':')
	if _, err := os.Stat(name); err == nil || i < 0 {
		return &SocketFilter{Object: name}
	}
	return &SocketFilter{Object: name[:i], Program: name[i+1:]}
}

// tracer is the part of a *loader.Tracer that a running session uses. Tests implement it
// without a kernel.
type tracer interface {
	Run(ctx context.Context, handle func(event.Event) error, idle func() error) error
	audited
	watched
	Losses(handle func(event.Event) error) error
	Backend() string
	Close()
}

// Session is a tracer with everything that a run needs. Open returns it.
type Session struct {
	cfg    Config
	tracer tracer
	gate   *tap.Gate // nil without a socket filter
	view   *view     // nil without Config.Watch
	summed *summed   // nil without Config.Sums
	closed bool
}

// Open attaches the programs. The hooks are live when it returns; their events wait for
// Run. The error is that of loader.Open, or of the socket filter.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	if cfg.Names == nil {
		cfg.Names = names.New(nil)
	}
	cfg.Names.Prepare(ctx)
	cfg.Loader.Names = cfg.Names.Fill
	t, err := loader.Open(ctx, cfg.Loader)
	if err != nil {
		return nil, err
	}
	s := newSession(t, cfg)
	if cfg.SocketFilter != nil {
		if s.gate, err = openGate(t, cfg.SocketFilter); err != nil {
			t.Close()
			return nil, err
		}
	}
	return s, nil
}

func newSession(t tracer, cfg Config) *Session {
	if cfg.Clock == nil {
		cfg.Clock = NewClock(cfg.Notice)
	}
	s := &Session{cfg: cfg, tracer: t}
	if cfg.Watch {
		s.view = newView(t, &cfg)
	}
	if cfg.Sums != nil {
		s.summed = newSummed(t, &cfg)
	}
	return s
}

func openGate(t *loader.Tracer, f *SocketFilter) (*tap.Gate, error) {
	filter := f.Classic
	if f.Object != "" {
		loaded, err := t.OpenSocketFilter(f.Object, f.Program)
		if err != nil {
			return nil, err
		}
		defer loaded.Close() // the socket keeps it
		filter = loaded.Attach
	}
	return tap.NewGate(filter)
}

// Close detaches the programs and frees what the session holds. It may be called
// again.
func (s *Session) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.view != nil {
		s.view.end()
	}
	s.tracer.Close()
	if s.gate == nil {
		return nil
	}
	return s.gate.Close()
}

// Tier is how much plaintext the session's records carry.
func (s *Session) Tier() event.Tier { return s.tracer.Tier() }

// Backend is loader.BackendEBPF or loader.BackendGobpf.
func (s *Session) Backend() string { return s.tracer.Backend() }

// Missing lists the hooks that this kernel lacks, with what that costs.
func (s *Session) Missing() []string { return s.tracer.Missing() }

// Unnamed returns the reason why processes have no names, if they have none.
func (s *Session) Unnamed() []string { return s.cfg.Names.Notes() }

// Run gives events to out until ctx ends, the limit or the duration is reached, a sink has
// enough, or the programs exceed their cost limit, which is a *loader.CostError. When it
// returns, the hooks are detached, and the last event of out was the summary. out may be
// nil if only snapshots are wanted.
func (s *Session) Run(ctx context.Context, out sink.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := running{session: s}
	if out != nil {
		r.pipe = s.newPipeline(out)
	}
	s.limit(cancel, r.pipe)
	defer s.keepNames(ctx, cancel)()
	err := s.tracer.Run(ctx, withNames(s.cfg.Names, r.handle), r.idle)
	if s.summed != nil && err == nil {
		err = s.summed.read() // what was unfinished is there now
	}
	if r.pipe == nil {
		return err
	}
	return s.ended(r.pipe, err)
}

// keepNames updates the names until the returned function is called at the end of the run.
func (s *Session) keepNames(ctx context.Context, cancel func()) func() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.cfg.Names.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// limit ends the run when its time is over.
func (s *Session) limit(cancel func(), p *pipeline) {
	if s.cfg.Duration <= 0 {
		return
	}
	start := func() { time.AfterFunc(s.cfg.Duration, cancel) }
	if s.cfg.FromFirst && p != nil {
		p.first = start
		return
	}
	start()
}

// stoppedByCost is event.Summary.Stopped where loader.Config.MaxCPU ended the run.
const stoppedByCost = "max_cpu"

// ended audits the ends of all connections and writes the summary.
func (s *Session) ended(p *pipeline, err error) error {
	var cost *loader.CostError
	switch {
	case errors.As(err, &cost):
		p.stopped = stoppedByCost
		return errors.Join(p.finish(s.tracer), err)
	case errors.Is(err, errEnough) || errors.Is(err, sink.ErrEnough):
		// Events that remain unread in the ring are not lost: nobody wants them.
		if err := s.tracer.Losses(p.handle); err != nil {
			return err
		}
		return p.out.Write(p.summary(s.tracer))
	case err != nil:
		return err
	}
	return p.finish(s.tracer)
}

// running is one call of Run.
type running struct {
	session *Session
	pipe    *pipeline // nil without a sink
}

// handle gives an event to both sides. The pipeline comes first, since it sets fields of the
// event; the view keeps nothing of an event.
func (r *running) handle(ev event.Event) error {
	if r.pipe != nil {
		if err := r.pipe.handle(ev); err != nil {
			return err
		}
	}
	if r.session.view != nil {
		r.session.view.observe(ev)
	}
	return nil
}

func (r *running) idle() error {
	// A step is reported when it happens, not with the next event.
	r.session.cfg.Clock.Offset(loader.Monotonic())
	if r.session.view != nil {
		if err := r.session.view.idle(); err != nil {
			return err
		}
	}
	if s := r.session.summed; s != nil {
		if err := s.idle(); err != nil {
			return err
		}
	}
	if r.pipe == nil {
		return nil
	}
	r.pipe.thin.check(time.Now())
	return r.pipe.out.Flush()
}

func (s *Session) newPipeline(out sink.Sink) *pipeline {
	p := newPipeline(out, s.cfg.Limit, newChoice(s.cfg.Loader.Match))
	if s.summed != nil && s.Aggregates() {
		p.ledger, p.summed = datagrams{p.ledger}, true
	}
	if s.gate != nil {
		p.pass, p.gate = s.gate.Pass, s.gate
	}
	if sample := s.cfg.Loader.Sample; sample != nil && sample.Auto {
		p.thin = newThinning(s.cfg.Notice, s.cfg.Loader.MaxCPU > 0)
	}
	return p
}

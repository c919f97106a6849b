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

// Config says what a session traces and when it ends.
type Config struct {
	// Loader is what the tracer is opened with.
	Loader loader.Config
	// Names gives processes their names, nil for New's of internal/names. Sessions may
	// share one.
	Names *names.Names
	// Watch gives the session its pull side: Snapshot and Select. With it
	// Loader.Aggregate is as good as each record's event, and costs less.
	Watch bool
	// Sums, if not nil, takes what the kernel adds up with Loader.Aggregate. Sinks get then
	// what is an event all the same: what is no application data, and DTLS.
	Sums Sums
	// About is what snapshots say of the run that the session cannot know.
	About About
	// SocketFilter, if not nil, is asked about each record.
	SocketFilter *SocketFilter
	// Limit ends the run after so many records have been handed to the sinks; 0
	// is no limit.
	Limit uint64
	// Duration ends the run after that time, 0 for never: from the start on, or
	// with FromFirst from the first record on.
	Duration  time.Duration
	FromFirst bool
	// Notice, if not nil, is called when Loader.Sample.Auto begins and ceases to
	// leave records out.
	Notice func(string)
	// Clock tells the wall clock of snapshots, nil for one of the session's own.
	// Sinks of the same run share it, so that a step is reported once.
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

// tracer is what a session asks of a *loader.Tracer while it runs; tests have
// one without a kernel.
type tracer interface {
	Run(ctx context.Context, handle func(event.Event) error, idle func() error) error
	audited
	watched
	Losses(handle func(event.Event) error) error
	Backend() string
	Close()
}

// Session is a tracer with everything around it that a run needs. Open makes it.
type Session struct {
	cfg    Config
	tracer tracer
	gate   *tap.Gate // nil without a socket filter
	view   *view     // nil without Config.Watch
	summed *summed   // nil without Config.Sums
	closed bool
}

// Open attaches the programs. The hooks are live when it returns; what they
// tell waits for Run. The error is that of loader.Open, or of the socket filter.
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

// Unnamed says why processes lack names, if they do.
func (s *Session) Unnamed() []string { return s.cfg.Names.Notes() }

// Run hands events to out until ctx ends, the limit or the duration is reached,
// a sink has enough, or the programs cost more than they may, which is a
// *loader.CostError. The hooks are detached then, and out, if not nil, has got
// the summary as its last event. out may be nil where only snapshots are wanted.
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

// keepNames keeps the names up to date until the run is over; the function returned ends
// that.
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
		// What lies unread in the ring is not lost, it is not asked for.
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

// handle gives an event to both sides. The pipeline fills in what only it knows,
// so the view, which keeps nothing of an event, comes behind it.
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

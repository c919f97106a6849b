package session

import (
	"errors"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/hint"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// errEnough ends a run that has printed as many records as -c asks for.
var errEnough = errors.New("enough records")

// described is what both sides report about a tracer.
type described interface {
	Missing() []string
	Tier() event.Tier
	Cost() loader.Cost
}

// audited is the part of a tracer that the end of a run is checked against.
type audited interface {
	described
	Connections() ([]*event.Socket, error)
	Duration() time.Duration
	Incomplete() uint64
}

// pipeline checks events against the ledger, counts them and hands them to a
// sink. It is the loader's handler.
type pipeline struct {
	out    sink.Sink
	ledger flow.Auditor
	hints  *hint.Engine
	limit  uint64 // records, 0 for no limit
	first  func() // called with the first record, if not nil
	choice *choice
	// pass, if not nil, reports whether a socket filter accepts a chosen record. It also
	// needs the socket events.
	pass func(event.Event) (bool, error)
	gate sink.Forgetful // behind pass; nil without
	// summed reports that the kernel keeps the totals, and that most records are no events.
	summed bool
	// thin, if not nil, reports when sampling begins and ends.
	thin *thinning

	unmatched uint64
	totals    event.Totals
	conns     *lru.Map[uint64, *tally] // those that never say that they are closed go first
	skipped   [2]uint64                // of what sampling left out, what no record stands for
	sockets   uint64
	errors    uint64
	dropped   uint64
	lost      flow.Losses
	stopped   string // why the run ended by itself
}

// tally counts what the sinks got of one connection.
type tally struct {
	event.Totals
	counted bool // among pipeline.sockets
}

func newPipeline(out sink.Sink, limit uint64, choice *choice) *pipeline {
	return &pipeline{out: out, ledger: flow.NewAudit(0), hints: hint.NewEngine(), limit: limit, choice: choice,
		conns: lru.New[uint64, *tally](event.MaxConns)}
}

func (p *pipeline) handle(ev event.Event) error {
	p.hints.Observe(ev)
	switch ev := ev.(type) {
	case *event.Record:
		return p.record(ev)
	case *event.Socket:
		return p.socket(ev)
	case *event.Error:
		if err := p.gap(p.ledger.ObserveError(ev)); err != nil {
			return err
		}
		if !p.choice.wants(ev) {
			return nil
		}
		p.errors += 1 + uint64(ev.More)
	case *event.Drop:
		if !p.choice.wants(ev) {
			return nil
		}
		p.dropped += ev.Count
	case *event.Lost:
		p.lost.Add(ev)
	}
	return p.out.Write(ev)
}

func (p *pipeline) record(r *event.Record) error {
	if err := p.gap(p.ledger.Observe(r)); err != nil {
		return err
	}
	p.addSkipped(r.Conn.ID, r.Dir, r.Skipped)
	if wanted, err := p.wants(r); err != nil || !wanted {
		return errors.Join(err, p.leaveOut(r))
	}
	if p.first != nil {
		p.first()
		p.first = nil
	}
	p.totals.Add(r, 1)
	p.conn(r.Conn.ID).Add(r, 1)
	if err := p.out.Write(r); err != nil {
		return err
	}
	if p.limit > 0 && p.totals.Records[event.TX]+p.totals.Records[event.RX] >= p.limit {
		return errEnough
	}
	return nil
}

// hiddenSink is a sink that also needs the records that are suppressed.
type hiddenSink interface{ Hide(*event.Record) error }

func (p *pipeline) leaveOut(r *event.Record) error {
	p.unmatched++
	if h, ok := p.out.(hiddenSink); ok {
		return h.Hide(r)
	}
	return nil
}

func (p *pipeline) wants(r *event.Record) (bool, error) {
	switch {
	case !p.choice.wants(r):
		return false, nil
	case p.pass == nil:
		return true, nil
	}
	return p.pass(r)
}

// conn returns the tally of a connection of which the sinks get something.
func (p *pipeline) conn(id uint64) *event.Totals {
	t := p.tally(id)
	if !t.counted {
		t.counted = true
		p.sockets++
	}
	return &t.Totals
}

func (p *pipeline) tally(id uint64) *tally {
	t, ok := p.conns.Get(id)
	if !ok {
		t = new(tally)
		p.conns.Put(id, t)
	}
	return t
}

func (p *pipeline) socket(s *event.Socket) error {
	if p.pass != nil {
		if _, err := p.pass(s); err != nil {
			return err
		}
	}
	if err := p.audit(s); err != nil {
		return err
	}
	wanted := p.choice.wants(s)
	if wanted {
		if totals := p.conn(s.Conn.ID); !p.summed {
			s.Totals = *totals
		}
	}
	if s.State == event.SocketClose {
		p.conns.Delete(s.Conn.ID)
	}
	if !wanted {
		return nil
	}
	return p.out.Write(s)
}

// audit enters the sequences and the sampling counts of a socket event.
func (p *pipeline) audit(s *event.Socket) error {
	for _, l := range p.ledger.ObserveSocket(s) {
		if err := p.gap(l); err != nil {
			return err
		}
	}
	p.sampledOf(s)
	return nil
}

// gap reports records that the ledger misses. The kernel's counters give the causes, but
// only as sums over all connections.
func (p *pipeline) gap(l *event.Lost) error {
	if l == nil {
		return nil
	}
	p.lost.Add(l)
	return p.out.Write(l)
}

// finish compares the ledger with the connections that are still open and
// writes the summary.
func (p *pipeline) finish(t audited) error {
	open, err := t.Connections()
	if err != nil {
		return err
	}
	for _, s := range open {
		s.State = event.SocketClose // the trace's end is the connection's, for the ledger
		if err := p.audit(s); err != nil {
			return err
		}
	}
	return p.out.Write(p.summary(t))
}

func (p *pipeline) summary(t audited) *event.Summary {
	lost, _ := p.lost.Sum()
	cost := t.Cost()
	return &event.Summary{
		Mono: loader.Monotonic(), Duration: t.Duration(), Totals: p.totals, Sockets: p.sockets,
		Errors: p.errors, Dropped: p.dropped, Unmatched: p.unmatched, Forgotten: p.ledger.Forgotten(), Duplicates: p.ledger.Duplicates(), Evicted: p.evicted(t), Skipped: p.skipped, Stopped: p.stopped, Lost: lost, Missing: t.Missing(), Tier: t.Tier(),
		Cost: cost.Programs, CostOver: cost.Over,
	}
}

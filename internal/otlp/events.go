package otlp

import (
	"sync"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// storm is the number of new keys of one connection in a second from which their severity
// is above INFO.
const storm = 10

// maxStorms limits the connections whose new keys are counted at a time.
const maxStorms = 4096

// stoppedByCost is event.Summary.Stopped when the programs took too much CPU time.
const stoppedByCost = "max_cpu"

// outbox accepts log records, and never waits: a queue.
type outbox interface{ put(*logs.LogRecord) }

// events turns the events of a session into log records. It never waits. All methods may
// be called from any goroutine.
type events struct {
	cfg *Config
	out outbox
	now func() time.Time

	mu    sync.Mutex
	guard *guard
	edges *edges
	keys  *lru.Map[uint64, keyRate]
	gaps  [2]gap // by direction
}

// gap counts the missing records of a direction.
type gap struct {
	flow.Gaps
	last fact // time of the last one found
	next time.Time
}

// keyRate counts the new keys of a connection in the current second.
type keyRate struct {
	until time.Time
	n     int
}

func newEvents(cfg *Config, out outbox, now func() time.Time) *events {
	e := &events{cfg: cfg, out: out, now: now, keys: lru.New[uint64, keyRate](maxStorms)}
	e.guard, e.edges = newGuard(e.emit), newEdges(e.emit)
	return e
}

// write handles an event, like a sink.Sink. It keeps no part of it. It ignores events
// that are not the tracer's own, such as those of inspect, which contain plaintext.
func (e *events) write(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch ev := ev.(type) {
	case *event.Record:
		r := strip(ev)
		e.record(&r)
	case *event.Error:
		e.failure(ev)
	case *event.Socket:
		e.socket(ev)
	case *event.Lost:
		e.lost(ev)
	case *event.Summary:
		e.summary(ev)
	}
}

// flush reports held-back events that are due.
func (e *events) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	e.reportGaps(now)
	e.guard.tick(now)
	e.edges.tick(now)
}

// end reports all held-back events.
func (e *events) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for d := range e.gaps { // twice: no counter is read any more
		e.missing(event.Dir(d), e.gaps[d].Unexplained()+e.gaps[d].Unexplained(), e.now())
	}
	e.guard.end()
	e.edges.end()
}

func (e *events) record(r *record) {
	switch {
	case r.typ == event.Alert:
		if r.mayBeCloseNotify() && !e.cfg.CloseNotify {
			return
		}
		k := kindOf(alertRecord, &r.proc, uint64(r.description)|uint64(r.level)<<8)
		e.guard.admit(k, 1, e.now(), func() fact { return alertFact(r) })
	case e.cfg.Slow > 0 && r.lat.Total >= uint64(e.cfg.Slow):
		e.guard.admit(kindOf(recordSlow, &r.proc, uint64(r.dir)), 1, e.now(), func() fact { return slowFact(r) })
	}
}

func (e *events) failure(ev *event.Error) {
	name := recordError
	switch {
	case ev.SetupStep() != "":
		name = setupFailed
	case ev.Func == abortFunction:
		name = connectionAbort
	}
	k := kindOf(name, &ev.Proc, uint64(ev.Errno)|uint64(ev.Option)<<32)
	e.guard.admit(k, 1+uint64(ev.More), e.now(), func() fact { return failureFact(ev) })
}

func (e *events) socket(s *event.Socket) {
	switch s.State {
	case event.SocketRekey:
		e.newKey(s)
	case event.SocketFound, event.SocketOpen:
		if e.cfg.Connections {
			e.emit(openFact(s))
		}
	case event.SocketClose:
		e.keys.Delete(s.Conn.ID)
		if e.cfg.Connections {
			e.emit(closeFact(s))
		}
	}
}

func (e *events) newKey(s *event.Socket) {
	now := e.now()
	r, ok := e.keys.Get(s.Conn.ID)
	if !ok || !now.Before(r.until) {
		r = keyRate{until: now.Add(time.Second)}
	}
	r.n++
	e.keys.Put(s.Conn.ID, r)
	how := info
	if r.n > storm {
		how = warning
	}
	e.guard.admit(kindOf(keyUpdate, &s.Proc, uint64(how)), 1, now, func() fact { return keyFact(s, how) })
}

// lost reports a loss. A gap waits: a counter may explain it in a moment, and then it was
// already reported.
func (e *events) lost(l *event.Lost) {
	g := &e.gaps[l.Dir&1]
	g.Add(l)
	if l.Cause == flow.CauseGap {
		g.last = lostFact(l)
		return
	}
	key := l.Cause
	if l.HasDir || l.Conn != nil {
		key += " " + l.Dir.String()
	}
	e.edges.happened("lost "+key, l.Count, e.now(), lostFact(l))
}

// reportGaps reports the gaps that no counter has explained. It may be called often.
func (e *events) reportGaps(now time.Time) {
	for d := range e.gaps {
		g := &e.gaps[d]
		if now.Before(g.next) {
			continue
		}
		g.next = now.Add(time.Second)
		e.missing(event.Dir(d), g.Unexplained(), now)
	}
}

func (e *events) missing(d event.Dir, n uint64, now time.Time) {
	if n > 0 {
		e.edges.happened("lost "+flow.CauseGap+" "+d.String(), n, now, e.gaps[d].last)
	}
}

func (e *events) summary(s *event.Summary) {
	if s.Stopped == stoppedByCost {
		e.emit(agentFact(agentDetached, severe, stoppedByCost, "the programs took more of a processor than they may"))
	}
}

// degraded reports that the trace is incomplete, or complete again: reason is a word,
// detail a line for people. It reports changes only.
func (e *events) degraded(reason, detail string, is bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.edges.set("agent "+reason, is, agentFact(agentDegraded, warning, reason, detail))
}

// detached reports that the hooks are gone.
func (e *events) detached(reason, detail string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emit(agentFact(agentDetached, severe, reason, detail))
}

func agentFact(name string, how severity, reason, detail string) fact {
	var a attributes
	a.text("ktls.agent.reason", safe.String(reason))
	a.text("ktls.agent.detail", safe.String(detail))
	return fact{name: name, severity: how, attrs: a}
}

func kindOf(name string, p *event.Process, detail uint64) kind {
	return kind{name: name, comm: p.Comm, place: p.In(), detail: detail}
}

// emit puts a fact into the queue.
func (e *events) emit(f fact) { e.out.put(e.spell(f)) }

func (e *events) spell(f fact) *logs.LogRecord {
	now := e.now()
	at := now
	if f.mono != 0 {
		at = time.Unix(0, int64(f.mono)+e.cfg.Clock.Offset(f.mono))
	}
	return f.record(at, now)
}

// undelivered reports n events that did not reach the receiver.
func (e *events) undelivered(n uint64) *logs.LogRecord {
	return e.spell(fact{name: traceLost, severity: warning, count: n, attrs: attributes{text("ktls.lost.cause", "otlp_undelivered")}})
}

package otlp

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// abortFunction is the kernel function that ends a connection for good.
const abortFunction = "tls_err_abort"

// failureFact reports an error: an abort, a socket option that was refused, or a record
// or call that failed.
func failureFact(e *event.Error) fact {
	f := fact{name: recordError, severity: severe, mono: e.Mono}
	var a attributes
	a.errno(e.Errno)
	a.text("ktls.func", e.Func)
	switch step := e.SetupStep(); {
	case step != "":
		f.name, f.severity = setupFailed, warning
		a.text("ktls.setup.step", step)
	case e.Func == abortFunction:
		f.name = connectionAbort
		fallthrough
	default:
		a.position(e.Seq, e.Gen, e.Type)
	}
	if e.HasDir() {
		a.direction(e.Dir)
	}
	if e.Hint != nil {
		a.text("ktls.hint", e.Hint.ID)
	}
	a.process(&e.Proc)
	a.connection(&e.Conn, e.TLS.Version)
	a.protection(&e.TLS)
	f.attrs = a
	return f
}

// close_notify and the level fatal are defined in RFC 8446 §6.
const (
	closeNotify = 0
	levelFatal  = 2
)

func alertFact(r *record) fact {
	f := fact{name: alertRecord, severity: warning, mono: r.mono}
	var a attributes
	if r.read {
		a.text("ktls.alert.level", event.AlertLevel(r.level))
		a.text("ktls.alert.description", event.AlertDescription(r.description))
		if r.level == levelFatal {
			f.severity = severe
		}
	}
	f.attrs = r.describe(a)
	return f
}

func slowFact(r *record) fact {
	var a attributes
	a.count("ktls.record.length", uint64(r.len))
	a.text("ktls.record.op", r.op.String())
	a.number("ktls.record.duration_ns", r.lat.Total)
	for i, stage := range stages[r.dir&1] {
		a.number("ktls.record."+stage+"_ns", r.lat.Stage[i])
	}
	return fact{name: recordSlow, severity: warning, mono: r.mono, attrs: r.describe(a)}
}

// stages are what event.Latency.Stage holds, by direction.
var stages = [2][3]string{event.TX: {"queue", "encrypt", "push"}, event.RX: {"wait", "decrypt", "deliver"}}

// describe adds the attributes of every record.
func (r *record) describe(a attributes) attributes {
	a.position(r.seq, r.gen, r.typ)
	a.direction(r.dir)
	a.process(&r.proc)
	a.connection(&r.conn, r.tls.Version)
	a.protection(&r.tls)
	return a
}

// keyFact reports that a direction got a new key.
func keyFact(s *event.Socket, how severity) fact {
	gen := s.GenTX
	if s.Dir == event.RX {
		gen = s.GenRX
	}
	var a attributes
	a.count("ktls.key.generation", uint64(gen))
	a.number("ktls.key.awaited_ns", s.AwaitsKeyFor)
	return socketFact(keyUpdate, how, s, a)
}

// openFact reports that a direction got its first key, or that a connection was found
// open.
func openFact(s *event.Socket) fact {
	var a attributes
	a.text("ktls.connection.state", s.State.String())
	return socketFact(connectionOpen, info, s, a)
}

func closeFact(s *event.Socket) fact {
	var a attributes
	a.text("ktls.connection.ended", s.Ended.String())
	a.number("ktls.connection.truncated_bytes", s.Truncated)
	a.number("ktls.connection.unsent_bytes", s.UnsentBytes)
	if s.TX.Mode != event.ModeNone {
		a.count("ktls.tx.next_seq", s.NextTX)
	}
	if s.RX.Mode != event.ModeNone {
		a.count("ktls.rx.next_seq", s.NextRX)
	}
	return socketFact(connectionClose, info, s, a)
}

// socketFact adds the attributes of every event of a connection: how both directions are
// protected, or the one that it is about.
func socketFact(name string, how severity, s *event.Socket, a attributes) fact {
	t := s.TX
	if s.State.HasDir() {
		a.direction(s.Dir)
	}
	if s.State.HasDir() && s.Dir == event.RX || t.Mode == event.ModeNone {
		t = s.RX
	}
	if !s.State.HasDir() {
		a.text("ktls.tx.mode", s.TX.Mode.String())
		a.text("ktls.rx.mode", s.RX.Mode.String())
		t.Mode = event.ModeNone
	}
	if s.Hint != nil {
		a.text("ktls.hint", s.Hint.ID)
	}
	a.process(&s.Proc)
	a.connection(&s.Conn, t.Version)
	a.protection(&t)
	return fact{name: name, severity: how, mono: s.Mono, attrs: a}
}

// lostFact reports missing records or events.
func lostFact(l *event.Lost) fact {
	var a attributes
	a.text("ktls.lost.cause", l.Cause)
	if l.HasDir || l.Conn != nil {
		a.direction(l.Dir)
	}
	return fact{name: traceLost, severity: warning, mono: l.Mono, attrs: a}
}

package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// moment is one entry of the timeline: what all kinds of events have in common,
// and the rest in words.
type moment struct {
	ev       event.Event
	mono     uint64
	kind     string
	tone     tone
	conn     *event.Conn // nil if unknown
	proc     *event.Process
	dir      string
	matchDir *event.Dir // the same, nil if unknown
	what     string
}

// momentOf reads an event that a snapshot keeps in its timeline.
func momentOf(ev event.Event) moment {
	m := readMoment(ev)
	m.ev = ev
	return m
}

func readMoment(ev event.Event) moment {
	switch ev := ev.(type) {
	case *event.Record:
		return controlMoment(ev)
	case *event.Socket:
		return socketMoment(ev)
	case *event.Error:
		return moment{
			mono: ev.Mono, kind: "error", tone: bad, conn: &ev.Conn, proc: &ev.Proc, dir: ev.Dir.String(),
			what: errorText(ev),
		}
	case *event.Drop:
		return moment{
			mono: ev.Mono, kind: "dropped", tone: warn, conn: &ev.Conn, proc: &ev.Proc, dir: event.RX.String(), what: dropText(ev),
		}
	case *event.Lost:
		return lostMoment(ev)
	case *event.Host:
		return hostMoment(ev)
	}
	return moment{kind: "?"}
}

func controlMoment(r *event.Record) moment {
	m := moment{
		mono: r.Mono, kind: typeName(r.Type), tone: accent, conn: &r.Conn, proc: &r.Proc, dir: r.Dir.String(),
		what: "seq " + string(r.AppendSeq(nil)),
	}
	switch {
	case r.Control == nil:
	case r.Type == event.Alert:
		m.what = event.AlertLevel(r.Control.AlertLevel) + " " + event.AlertDescription(r.Control.AlertDescription) + ", " + m.what
		m.tone = alertTone(r.Control)
	case r.Type == event.Handshake:
		m.what = r.Control.MessageNames() + ", " + m.what
	}
	return m
}

// alertTone returns red only for alerts other than the ordinary close.
func alertTone(c *event.Control) tone {
	const closeNotify = 0
	if c.AlertDescription == closeNotify {
		return accent
	}
	return bad
}

func socketMoment(s *event.Socket) moment {
	m := moment{mono: s.Mono, kind: s.State.String(), conn: &s.Conn, proc: &s.Proc}
	switch s.State {
	case event.SocketClose:
		m.what = "tx " + totalText(&s.Totals, event.TX) + ", rx " + totalText(&s.Totals, event.RX)
	case event.SocketRekey:
		m.tone, m.dir, m.matchDir = accent, s.Dir.String(), &s.Dir
		gen := [2]uint32{s.GenTX, s.GenRX}[s.Dir&1]
		m.what = "key " + strconv.FormatUint(uint64(gen)+1, 10)
		if s.AwaitsKey && s.AwaitsKeyFor > 0 {
			m.what += ", after " + units.Duration(s.AwaitsKeyFor) + " without one"
		}
	case event.SocketAwaitsKey:
		m.kind, m.tone, m.dir, m.matchDir = "key due", warn, s.Dir.String(), &s.Dir
		m.what = "the peer sent a KeyUpdate: a new key is due"
	case event.SocketCard:
		m.what = s.Offload.Describe()
		if s.Offload.Removed {
			m.tone = warn
		}
	}
	return m
}

func totalText(t *event.Totals, d event.Dir) string {
	return units.Count(t.Records[d]) + " records " + units.Count(t.Bytes[d]) + "B"
}

func errorText(e *event.Error) string {
	s := event.ErrnoName(e.Errno)
	if e.Func != "" {
		s += " from " + safe.String(e.Func)
	}
	if e.Option != 0 {
		s += " for " + e.Option.String()
	} else {
		s += ", seq " + strconv.FormatUint(e.Seq, 10)
	}
	if e.More > 0 {
		s += ", " + strconv.FormatUint(1+uint64(e.More), 10) + " times"
	}
	if e.Hint != nil {
		s += ": " + safe.String(e.Hint.Text)
	}
	return s
}

func dropText(d *event.Drop) string {
	s := d.Reason.String() + ", epoch " + strconv.FormatUint(uint64(d.Epoch), 10) + " seq " + strconv.FormatUint(d.Seq, 10)
	if d.Count > 1 {
		s += ", " + strconv.FormatUint(d.Count, 10) + " times"
	}
	return s
}

func lostMoment(l *event.Lost) moment {
	m := moment{mono: l.Mono, kind: "lost", tone: bad, conn: l.Conn, what: strconv.FormatUint(l.Count, 10) + " (" + safe.String(l.Cause) + ")"}
	if l.Conn != nil || l.HasDir {
		m.dir, m.matchDir = l.Dir.String(), &l.Dir
	}
	if l.Conn != nil {
		m.what += ", seq " + strconv.FormatUint(l.First, 10) + "-" + strconv.FormatUint(l.Last, 10)
	}
	return m
}

// momentColumns are the columns of the timeline.
func momentColumns() []column[moment] {
	return []column[moment]{
		{name: "TIME", width: 12, prio: 2, help: "when it happened",
			cell: func(b []byte, m moment, e *env) []byte { return appendClock(b, e, m.mono) }},
		{name: "KIND", width: 8, prio: 0, help: "alert, handshake, error, dropped, lost, rekey, card, close or host",
			tone: func(m moment) tone { return m.tone },
			cell: func(b []byte, m moment, _ *env) []byte { return append(b, m.kind...) }},
		{name: "PROCESS", width: 9, most: 22, prio: 3, help: "the task in whose call it happened",
			cell: func(b []byte, m moment, _ *env) []byte {
				if m.proc == nil {
					return b
				}
				return appendOwner(b, m.conn, m.proc)
			}},
		{name: "PID", width: 7, right: true, prio: 5, help: "process",
			cell: func(b []byte, m moment, _ *env) []byte {
				if m.proc == nil {
					return append(b, '-')
				}
				return appendPID(b, m.proc.PID)
			}},
		{name: "DIR", width: 3, prio: 3, help: "direction",
			cell: func(b []byte, m moment, _ *env) []byte { return append(b, m.dir...) }},
		{name: "WHAT", width: 28, most: 80, prio: 1, help: "what happened",
			tone: func(m moment) tone { return m.tone },
			cell: func(b []byte, m moment, _ *env) []byte { return append(b, m.what...) }},
		{name: "PEER", width: 15, most: 47, prio: 4, help: "remote address and port",
			cell: func(b []byte, m moment, e *env) []byte {
				if m.conn == nil {
					return b
				}
				return appendPeer(b, m.conn.RAddr, m.conn.RPort, e)
			}},
	}
}

func newMoments() table[moment] {
	return table[moment]{
		cols: momentColumns(),
		keyOf: func(m moment) rowKey {
			k := rowKey{a: m.mono}
			if m.conn != nil {
				k.b = m.conn.ID
			}
			for _, c := range []byte(m.kind) {
				k.c = k.c<<8 | uint64(c)
			}
			return k
		},
		match: func(m moment, f *Filter) bool { return f.matchMoment(&m) },
		sort:  -1, stream: true, tail: true,
	}
}

package doctor

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// Level is the severity of a finding.
type Level uint8

// The levels. A Note does not change the verdict.
const (
	// Note is a fact that may matter, or that is good to know.
	Note Level = iota
	// Warning is a feature that is off in part, or off according to files.
	Warning
	// Error is a failure that was observed.
	Error
)

var levels = [...]string{"note", "warning", "error"}

// String returns the level in one word.
func (l Level) String() string { return levels[int(l)%len(levels)] }

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is something that is off, or a fact to know.
type Finding struct {
	ID    string `json:"id"`
	Level Level  `json:"level"`
	// The process that it is about; the host if PID is 0.
	PID  int    `json:"pid,omitempty"`
	Comm string `json:"comm,omitempty"`
	// Processes is the number of processes of that name that it is about; PID is the
	// first.
	Processes int `json:"processes,omitempty"`
	// Connection is the first of Connections that it is about; nil for none.
	Connection  *Ends `json:"connection,omitempty"`
	Connections int   `json:"connections,omitempty"`
	// Says is the fact, Do the advice: a line each.
	Says string `json:"says"`
	Do   string `json:"do"`
}

// Subject names the subject of a finding.
func (f *Finding) Subject() string {
	switch {
	case f.PID == 0 && f.Connection != nil:
		return "nobody" // as one of the kernel's own
	case f.PID == 0:
		return "host"
	}
	return fmt.Sprintf("%s[%d]", safe.String(f.Comm), f.PID)
}

// Report is the result of an examination.
type Report struct {
	Facts       *Facts
	Findings    []Finding
	Connections []*Connection
}

// Well reports whether nothing is off. Notes do not count.
func (r *Report) Well() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level > Note })
}

// Examine applies the rules to the facts.
func Examine(f *Facts) *Report {
	e := examiner{Report{Facts: f, Connections: join(f)}}
	for _, c := range e.Connections {
		e.connection(c)
	}
	for i := range f.Processes {
		e.process(&f.Processes[i])
	}
	for i := range Rules {
		if Rules[i].host != nil {
			e.add(&Rules[i], Rules[i].host(f), Finding{})
		}
	}
	slices.SortStableFunc(e.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Comm, b.Comm), cmp.Compare(a.PID, b.PID))
	})
	return &e.Report
}

type examiner struct{ Report }

// connection adds the first rule that holds, in the order of trust, and the rules that
// are additional.
func (e *examiner) connection(c *Connection) {
	decided := false
	for i := range Rules {
		r := &Rules[i]
		if r.connection == nil || decided && !r.additional {
			continue
		}
		w := r.connection(e.Facts, c)
		if w == nil {
			continue
		}
		decided = decided || !r.additional
		c.Why = append(c.Why, r.ID)
		e.add(r, w, Finding{PID: c.PID, Comm: c.Comm, Connection: &c.Ends, Connections: 1})
	}
}

func (e *examiner) process(p *Process) {
	for i := range Rules {
		if r := &Rules[i]; r.process != nil && !(r.connection != nil && e.seen(p)) {
			e.add(r, r.process(e.Facts, p), Finding{PID: p.PID, Comm: p.Comm})
		}
	}
}

// seen reports whether a connection of the process has a known reason, or has kernel
// TLS already, so that the process's files need not be considered. A handshake that failed
// says nothing about the process.
func (e *examiner) seen(p *Process) bool {
	return slices.ContainsFunc(e.Connections, func(c *Connection) bool {
		return c.Process == p && !c.unanswered() && (len(c.Why) > 0 || c.TX.On() && c.RX.On())
	})
}

// add completes a finding. A finding that several connections of a process, or several
// processes of a name, share is reported once; and a cause that was observed on a
// connection is not reported again from files.
func (e *examiner) add(r *Rule, w *conclusion, f Finding) {
	if w == nil {
		return
	}
	f.ID, f.Level, f.Says, f.Do = r.ID, w.level, w.text, w.do
	for i := range e.Findings {
		if e.Findings[i].merge(&f) {
			return
		}
	}
	e.Findings = append(e.Findings, f)
}

// merge reports whether g says the same as f, and then counts it in f.
func (f *Finding) merge(g *Finding) bool {
	switch {
	case f.ID != g.ID || f.Comm != g.Comm:
		return false
	case g.Connection == nil && f.Connection != nil: // of another process, if the same action would fix it: in the same file, say
		return f.PID == g.PID || f.Do == g.Do
	case f.Says != g.Says || f.Level != g.Level:
		return false
	case g.Connection != nil:
		if f.PID != g.PID {
			return false
		}
		f.Connections++
		return true
	}
	f.Processes = max(f.Processes, 1) + 1
	return true
}

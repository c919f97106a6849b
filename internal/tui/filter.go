package tui

import (
	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Filter selects what the dashboard shows: rows for which the expression certainly holds.
type Filter struct {
	expr    *match.Expr
	subject match.Subject // of the row that is looked at
}

// ParseFilter parses an expression of --match's language. A bare word is searched for in all
// fields.
func ParseFilter(s string) (*Filter, error) {
	e, err := match.Parse(s)
	if err != nil {
		return nil, err
	}
	return &Filter{expr: e}, nil
}

func (f *Filter) empty() bool { return f == nil || f.expr == nil || f.expr.Root == nil }

func (f *Filter) matchRow(r *flow.Row) bool {
	var has [2]bool
	for d := range has {
		has[d] = r.TLS[d].Mode != event.ModeNone || r.Totals.Records[d] > 0
	}
	f.subject = match.Subject{Proc: &r.Proc, Conn: &r.Conn}
	return f.expr.Either(&f.subject, &r.TLS, has) == match.Yes
}

func (f *Filter) matchGroup(g *flow.Group) bool {
	return f.expr.Eval(&match.Subject{Proc: &g.Proc, Host: g.Host}) == match.Yes
}

func (f *Filter) matchRecord(r *event.Record) bool {
	s := match.OfRecord(r)
	return f.expr.Eval(&s) == match.Yes
}

func (f *Filter) matchMoment(m *moment) bool {
	s := match.Subject{Proc: m.proc, Conn: m.conn, Dir: m.matchDir}
	switch ev := m.ev.(type) {
	case *event.Record:
		s = match.OfRecord(ev)
	case *event.Error:
		s = match.OfError(ev)
	case *event.Drop:
		s = match.OfDrop(ev)
	}
	s.Host = event.HostOf(m.ev)
	s.Text = []string{m.kind, m.what}
	return f.expr.Eval(&s) == match.Yes
}

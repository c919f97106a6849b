package session

import (
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// InUserSpace says what of an expression does not run in the kernel.
func InUserSpace(e *match.Expr) (notes []string) {
	always, later := e.UserSpace()
	for _, n := range always {
		notes = append(notes, "evaluated in user space: "+n.String())
	}
	for _, n := range later {
		notes = append(notes, "evaluated in user space where one call reads several records: "+n.String())
	}
	return notes
}

// choice says which events are shown. The zero value and nil take all.
type choice struct {
	expr *match.Expr
	// shown are the connections of which something has been shown: their
	// ends are shown too.
	shown map[uint64]bool
}

func newChoice(e *match.Expr) *choice { return &choice{expr: e, shown: map[uint64]bool{}} }

// wants leaves out what the expression surely does not hold for. Records have
// been judged by the loader; losses are always told.
func (c *choice) wants(ev event.Event) bool {
	if c == nil || c.expr == nil {
		return true
	}
	switch ev := ev.(type) {
	case *event.Record:
		if !ev.Unmatched {
			c.shown[ev.Conn.ID] = true
		}
		return !ev.Unmatched
	case *event.Error:
		s := match.OfError(ev)
		return c.expr.Eval(&s) != match.No
	case *event.Socket:
		return c.socket(ev)
	}
	return true
}

func (c *choice) socket(s *event.Socket) bool {
	shown := c.shown[s.Conn.ID] || c.expr.OfSocket(s) != match.No
	c.shown[s.Conn.ID] = shown
	if s.State == event.SocketClose {
		delete(c.shown, s.Conn.ID)
	}
	return shown
}

package session

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// InUserSpace describes the part of an expression that the kernel does not evaluate.
func InUserSpace(e *match.Expr) (notes []string) {
	for _, n := range e.UserSpace() {
		notes = append(notes, "evaluated in user space: "+n.String())
	}
	return notes
}

// choice selects the events that sinks get. The zero value and nil select all.
type choice struct {
	expr *match.Expr
	// shown are the connections of which sinks got something: they get the end as well.
	shown *lru.Map[uint64, bool]
}

func newChoice(e *match.Expr) *choice {
	return &choice{expr: e, shown: lru.New[uint64, bool](event.MaxConns)}
}

// wants rejects the events for which the expression certainly does not hold. The loader has
// evaluated it for records. Losses always pass.
func (c *choice) wants(ev event.Event) bool {
	if c == nil || c.expr == nil {
		return true
	}
	switch ev := ev.(type) {
	case *event.Record:
		if !ev.Unmatched {
			c.shown.Put(ev.Conn.ID, true)
		}
		return !ev.Unmatched
	case *event.Error:
		s := match.OfError(ev)
		return c.expr.Eval(&s) != match.No
	case *event.Drop:
		s := match.OfDrop(ev)
		return c.expr.Eval(&s) != match.No
	case *event.Socket:
		return c.socket(ev)
	}
	return true
}

// evicted counts connections that were evicted from shown.
func (c *choice) evicted() uint64 {
	if c == nil || c.shown == nil {
		return 0
	}
	return c.shown.Evicted()
}

func (c *choice) socket(s *event.Socket) bool {
	before, _ := c.shown.Get(s.Conn.ID)
	shown := before || c.expr.OfSocket(s) != match.No
	if s.State == event.SocketClose {
		c.shown.Delete(s.Conn.ID)
	} else {
		c.shown.Put(s.Conn.ID, shown)
	}
	return shown
}

package session

import (
	"context"
	"fmt"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// List writes the kTLS sockets that are open now and that the filter and the
// expression of cfg want. Nothing else is attached. Where out was given up, the
// error is sink.ErrStopped, and the list is not whole.
func List(ctx context.Context, cfg Config, open func(*Session) (sink.Sink, error)) error {
	expr, filter := cfg.Loader.Match, &cfg.Loader.Filter
	cfg.Loader.ListOnly, cfg.Loader.Match = true, nil
	s, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close() // what it holds ends with the program anyway
	out, err := open(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel() // there is nothing to wait for: Run empties the ring and returns
	return s.tracer.Run(ctx, withNames(s.cfg.Names, func(ev event.Event) error {
		switch ev := ev.(type) {
		case *event.Socket:
			if ev.State == event.SocketFound && filter.MatchSocket(ev) && expr.OfSocket(ev) == match.Yes {
				return out.Write(ev)
			}
		case *event.Lost:
			if ev.Cause == loader.CauseNotFound {
				return out.Write(ev)
			}
			return &ListError{ev}
		}
		return nil
	}), nil)
}

// ListError is a list that is not whole, for want of room in the ring: loader.Config.RingBytes.
type ListError struct{ Lost *event.Lost }

func (e *ListError) Error() string {
	return fmt.Sprintf("%d sockets are missing from the list (%s): the event ring must be larger", e.Lost.Count, e.Lost.Cause)
}

// Listable returns the first field of an expression that no socket has, and
// false; a List of it would be empty whatever is open.
func Listable(expr *match.Expr) (field string, ok bool) {
	ok = true
	if expr == nil {
		return "", ok
	}
	match.Walk(expr.Root, func(n match.Node) {
		if t, is := n.(*match.Test); is && ok && !t.Field.OfSocket() {
			field, ok = fmt.Sprint(t.Field), false
		}
	})
	return field, ok
}

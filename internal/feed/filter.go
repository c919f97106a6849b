package feed

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// filter is what a reader wants to get. The zero value accepts every event.
type filter struct {
	expr     *match.Expr
	comms    []string
	filtered uint64 // records that it suppressed
}

// maxComms is how many names a reader may ask for.
const maxComms = 64

// parseFilter reads a query: match=EXPR once, comm=NAME any number of times.
func parseFilter(raw string) (f filter, err error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return f, fmt.Errorf("the query cannot be read: %w", err)
	}
	for name, values := range query {
		switch {
		case name == "comm" && len(values) <= maxComms:
			f.comms = values
		case name == "match" && len(values) == 1:
			if f.expr, err = match.Parse(values[0]); err != nil {
				return f, fmt.Errorf("match: %w", err)
			}
			if len(f.expr.PayloadTests) > 0 {
				return f, errors.New("match: payload is not to be had here: no plaintext leaves this host")
			}
		default:
			return f, fmt.Errorf("%.40q is not understood: the query takes match=EXPR once, and comm=NAME up to %d times", name, maxComms)
		}
	}
	return f, nil
}

// wants drops events that certainly do not match. Losses are always reported.
func (f *filter) wants(ev event.Event) bool {
	switch ev := ev.(type) {
	case *event.Record:
		if !f.of(&ev.Proc) || !f.all() && !f.matches(match.OfRecord(ev), match.Yes) {
			f.filtered++
			return false
		}
	case *event.Error:
		return f.of(&ev.Proc) && (f.all() || f.matches(match.OfError(ev), match.Maybe))
	case *event.Drop:
		return f.of(&ev.Proc) && (f.all() || f.matches(match.OfDrop(ev), match.Maybe))
	case *event.Socket:
		return f.of(&ev.Proc) && (f.all() || f.expr.OfSocket(ev) != match.No)
	}
	return true
}

func (f *filter) all() bool { return f.expr == nil || f.expr.Root == nil }

func (f *filter) of(p *event.Process) bool {
	if f.comms == nil {
		return true
	}
	var room [32]byte
	name := p.AppendName(room[:0])
	return slices.ContainsFunc(f.comms, func(comm string) bool { return comm == string(name) })
}

// matches reports whether the expression's answer for s is at least least.
func (f *filter) matches(s match.Subject, least match.Answer) bool {
	return f.expr.Eval(&s) >= least
}

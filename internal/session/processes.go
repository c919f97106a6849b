package session

import (
	"github.com/ktlstop/ktlstop/internal/names"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// withNames gives the process of each event its names.
func withNames(known *names.Names, handle func(event.Event) error) func(event.Event) error {
	return func(ev event.Event) error {
		if p := processOf(ev); p != nil {
			known.Fill(p)
		}
		return handle(ev)
	}
}

// processOf is nil for events that are nobody's.
func processOf(ev event.Event) *event.Process {
	switch ev := ev.(type) {
	case *event.Record:
		return &ev.Proc
	case *event.Socket:
		return &ev.Proc
	case *event.Error:
		return &ev.Proc
	case *event.Drop:
		return &ev.Proc
	}
	return nil
}

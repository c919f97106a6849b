package session

import (
	"errors"
	"io"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Sinks gives each event to several sinks, to all of them even if one fails.
type Sinks []sink.Sink

// Write implements sink.Sink.
func (all Sinks) Write(ev event.Event) error {
	return all.each(func(s sink.Sink) error { return s.Write(ev) })
}

// Flush implements sink.Sink.
func (all Sinks) Flush() error { return all.each(sink.Sink.Flush) }

// Close flushes all, and closes those that are files.
func (all Sinks) Close() error {
	return all.each(func(s sink.Sink) error {
		if f, ok := s.(io.Closer); ok {
			return f.Close()
		}
		return s.Flush()
	})
}

func (all Sinks) each(do func(sink.Sink) error) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, do(s))
	}
	return errors.Join(errs...)
}

// Notices passes on the events that packets cannot express: losses, errors, drops and the
// summary.
type Notices struct{ sink.Sink }

// Write implements sink.Sink.
func (n Notices) Write(ev event.Event) error {
	switch ev.(type) {
	case *event.Lost, *event.Error, *event.Drop, *event.Summary:
		return n.Sink.Write(ev)
	}
	return nil
}

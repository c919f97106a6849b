package sink

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Sink takes events in the order they happened. It keeps nothing of them.
type Sink interface {
	Write(ev event.Event) error
	Flush() error
}

// appender is how one kind of output spells an event.
type appender interface {
	AppendEvent(dst []byte, ev event.Event) []byte
}

// lines is a Sink over an appender.
type lines struct {
	appender
	queueWriter
	buf []byte
}

func newLines(q *Queue, a appender) lines { return lines{appender: a, queueWriter: newQueueWriter(q)} }

// Write implements Sink.
func (l *lines) Write(ev event.Event) error {
	if s, ok := ev.(*event.Summary); ok {
		if err := l.losses(l.spell); err != nil {
			return err
		}
		ev = l.account(s)
	}
	return l.spell(ev)
}

func (l *lines) spell(ev event.Event) error {
	l.buf = l.AppendEvent(l.buf[:0], ev)
	return l.put(ev, l.buf)
}

// Flush implements Sink. It tells what was left out once there is room again.
func (l *lines) Flush() error {
	if l.q.Relaxed() {
		if err := l.losses(l.spell); err != nil {
			return err
		}
	}
	return l.q.Flush()
}

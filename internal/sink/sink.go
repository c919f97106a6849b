package sink

import (
	"bufio"
	"io"

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
	w   *bufio.Writer
	buf []byte
}

const bufferSize = 64 << 10

func newLines(w io.Writer, a appender) lines {
	return lines{appender: a, w: bufio.NewWriterSize(w, bufferSize)}
}

// Write implements Sink.
func (l *lines) Write(ev event.Event) error {
	l.buf = l.AppendEvent(l.buf[:0], ev)
	_, err := l.w.Write(l.buf)
	return err
}

// Flush implements Sink.
func (l *lines) Flush() error { return l.w.Flush() }

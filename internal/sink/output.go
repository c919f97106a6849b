package sink

import (
	"errors"
	"fmt"
	"os"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Output is a sink that must be closed, with its queue and its name. Its errors contain the
// name, so that a user knows which disk is full.
type Output struct {
	Sink
	Queue *Queue
	Name  string
	// File is the file that was opened for the output; nil for standard output, and if
	// there are several.
	File *os.File
	// Raw reports that the output does not consist of lines.
	Raw bool
	// GiveUp is called at the end. When its channel is closed, Close stops waiting for
	// the reader.
	GiveUp func() <-chan struct{}
	// Notice, at the end, gets a line about what the output does not contain.
	Notice func(string)

	err error // that has been returned
}

// Write implements Sink.
func (out *Output) Write(ev event.Event) error { return out.named(out.Sink.Write(ev)) }

// Flush starts to write everything, and does not wait for it.
func (out *Output) Flush() error { return out.named(out.Sink.Flush()) }

func (out *Output) named(err error) error {
	if err == nil || errors.Is(err, ErrEnough) || errors.Is(err, ErrStopped) {
		return err
	}
	var left *UnwrittenError
	switch {
	case !errors.As(err, &left):
		out.err = fmt.Errorf("write the events to %s: %w", out.Name, err)
	case out.Raw:
		out.err = fmt.Errorf("%d bytes were not written to %s, which did not take them in time", left.Bytes, out.Name)
	default:
		out.err = fmt.Errorf("%d lines were not written to %s, which did not take them in time", left.Lines, out.Name)
	}
	return out.err
}

// Close waits until everything is written or GiveUp ends the wait. It does not return an
// error again that Write or Flush has returned.
func (out *Output) Close() error {
	if out.err == nil {
		_ = out.Sink.Flush() // Close has the same error
	}
	err := out.Queue.Close(out.GiveUp())
	if c, ok := out.Sink.(*Pcapng); ok && c.Dropped() > 0 {
		out.Notice(fmt.Sprintf("%d records are not in %s: it takes less than there is (%s)", c.Dropped(), out.Name, CauseOutput))
	}
	if n := out.Forgotten(); n > 0 {
		out.Notice(fmt.Sprintf("%d connections were forgotten for want of room: their packets in %s begin anew", n, out.Name))
	}
	if out.err != nil {
		return nil
	}
	return out.named(err)
}

// Forgetful is a sink that makes packets of connections, and evicts the idlest if there are
// too many.
type Forgetful interface{ Forgotten() uint64 }

// Forgotten returns how many connections a sink has evicted, 0 for a sink that is not
// Forgetful.
func Forgotten(s Sink) uint64 {
	if f, ok := s.(Forgetful); ok {
		return f.Forgotten()
	}
	return 0
}

// Forgotten implements Forgetful.
func (out *Output) Forgotten() uint64 { return Forgotten(out.Sink) }

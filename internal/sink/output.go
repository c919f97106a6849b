package sink

import (
	"errors"
	"fmt"
	"os"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Output is a sink that somebody has to close, with the queue below it and what
// to call it. Its errors name it, so that a user knows which disk is full.
type Output struct {
	Sink
	Queue *Queue
	Name  string
	// File is the one that was opened for it; nil for standard output, and where
	// there are several.
	File *os.File
	// Raw says that what is written has no lines.
	Raw bool
	// GiveUp is asked for when there is nothing more to write: the output has until
	// the channel is closed to be taken.
	GiveUp func() <-chan struct{}
	// Notice is reported, at the end, what is not in the output.
	Notice func(string)

	err error // that has been returned
}

// Write implements Sink.
func (out *Output) Write(ev event.Event) error { return out.named(out.Sink.Write(ev)) }

// Flush has everything written, without waiting for it.
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

// Close waits until all is written or the time for it is over. It returns no
// error that Write or Flush has returned.
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

// Forgetful makes packets of connections, and forgets the idlest of too many.
type Forgetful interface{ Forgotten() uint64 }

// Forgotten is how many connections a sink that makes packets has forgotten, 0
// for any other.
func Forgotten(s Sink) uint64 {
	if f, ok := s.(Forgetful); ok {
		return f.Forgotten()
	}
	return 0
}

// Forgotten implements Forgetful.
func (out *Output) Forgotten() uint64 { return Forgotten(out.Sink) }

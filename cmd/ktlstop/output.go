package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// outputFlags say where events go.
func (o *options) outputFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.output, "output", "o", "text", "text or json (JSON Lines, see docs/events.md)")
	f.StringVarP(&o.file, "write", "w", "", "write to this file instead of standard output, - for that")
	o.outputBytesFlag(f)
	f.BoolVar(&o.wide, "wide", false, "long lines with everything that is known")
}

// minOutputBytes holds a record with all its plaintext, in base64.
const minOutputBytes = 64 << 10

func (o *options) outputBytesFlag(f *pflag.FlagSet) {
	f.IntVar(&o.outputBytes, "output-bytes", sink.DefaultQueueBytes, "how many bytes may wait for whoever reads the output")
}

func (o *options) checkOutputBytes() error {
	if o.outputBytes != 0 && o.outputBytes < minOutputBytes || o.outputBytes > 1<<30 {
		return usagef("--output-bytes %d: from %d to %d", o.outputBytes, minOutputBytes, 1<<30)
	}
	return nil
}

func (o *options) checkOutput() error {
	if o.output != "text" && o.output != "json" {
		return usagef("-o %s: the outputs are text and json", o.output)
	}
	return o.checkOutputBytes()
}

// output is an open sink, and the queue and the file below it.
type output struct {
	sink.Sink
	queue *sink.Queue
	file  io.WriteCloser
	name  string
	raw   bool  // what is written has no lines
	err   error // that has been returned
}

func (o *options) open(stdout io.Writer, tier event.Tier) (*output, error) {
	if o.capturing() {
		return o.openCapture(stdout, tier)
	}
	return o.openAt(stdout, tier, o.liveClock())
}

// liveClock is the clock of all that one run writes.
func (o *options) liveClock() *session.Clock {
	if o.clock == nil {
		o.clock = session.NewClock(notice)
	}
	return o.clock
}

// openAt is open for events whose clock is not this machine's.
func (o *options) openAt(stdout io.Writer, tier event.Tier, clock sink.Clock) (*output, error) {
	out := &output{name: "standard output", file: keepOpen{stdout}}
	if o.toFile() {
		f, err := sink.Create(o.file, tier != event.TierNone)
		if err != nil {
			return nil, err
		}
		out.file, out.name = f, o.file
	}
	out.queue = sink.NewQueue(out.file, o.queueConfig())
	if o.output == "json" {
		out.Sink = sink.NewJSON(out.queue, clock, tier)
	} else {
		out.Sink = sink.NewText(out.queue, sink.TextConfig{Clock: clock, Location: time.Local, Wide: o.wide, Body: o.body})
	}
	return out, nil
}

// queueConfig says what happens where the reader is too slow.
func (o *options) queueConfig() sink.QueueConfig {
	cfg := sink.QueueConfig{Bytes: o.outputBytes}
	if o.wait {
		cfg.Wait = endings.ctx.Done()
	}
	return cfg
}

func (o *options) toFile() bool { return o.file != "" && o.file != "-" }

// Write and Flush name the file in the error, so that the user knows which
// disk is full.
func (out *output) Write(ev event.Event) error { return out.named(out.Sink.Write(ev)) }

// Forgotten is how many connections the sink forgot.
func (out *output) Forgotten() uint64 { return session.Forgotten(out.Sink) }

// Flush has everything written, without waiting for it.
func (out *output) Flush() error { return out.named(out.Sink.Flush()) }

func (out *output) named(err error) error {
	if err == nil || errors.Is(err, sink.ErrEnough) || errors.Is(err, sink.ErrStopped) {
		return err
	}
	var left *sink.UnwrittenError
	switch {
	case !errors.As(err, &left):
		out.err = fmt.Errorf("write the events to %s: %w", out.name, err)
	case out.raw:
		out.err = fmt.Errorf("%d bytes were not written to %s, which did not take them in time", left.Bytes, out.name)
	default:
		out.err = fmt.Errorf("%d lines were not written to %s, which did not take them in time", left.Lines, out.name)
	}
	return out.err
}

// Close waits until all is written or the time for it is over. It returns no
// error that Write or Flush has returned.
func (out *output) Close() error {
	if out.err == nil {
		_ = out.Sink.Flush() // Close has the same error
	}
	err := out.queue.Close(endings.giveUp())
	if c, ok := out.Sink.(*sink.Pcapng); ok && c.LeftOut() > 0 {
		notice(fmt.Sprintf("%d records are not in %s: it takes less than there is (%s)", c.LeftOut(), out.name, sink.CauseOutput))
	}
	if n := out.Forgotten(); n > 0 {
		notice(fmt.Sprintf("%d connections were forgotten for want of room: their packets in %s begin anew", n, out.name))
	}
	if out.err != nil {
		return nil
	}
	return out.named(err)
}

// unlessStopped leaves out that an output was given up: its Close says so.
func unlessStopped(err error) error {
	if errors.Is(err, sink.ErrStopped) {
		return nil
	}
	return err
}

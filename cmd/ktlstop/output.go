package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

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
		f, err := createFile(o.file, tier)
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

// createFile keeps what holds plaintext from other users' eyes.
func createFile(name string, tier event.Tier) (*os.File, error) {
	if tier != event.TierNone {
		return createPrivate(name)
	}
	f, err := openToWrite(name, unix.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	return f, unix.SetNonblock(int(f.Fd()), false)
}

// openToWrite opens a file for nothing but writing: of a pipe that we could read
// ourselves, no reader's end would be noticed. One without a reader would not
// open, which is an error and not a long wait.
func openToWrite(name string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NONBLOCK|flags, mode)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("open %s: nobody reads this pipe: start its reader first", name)
	}
	return f, err
}

// createPrivate makes a file that only its user can read.
func createPrivate(name string) (*os.File, error) {
	f, err := openToWrite(name, unix.O_NOFOLLOW, 0o600) // not truncated yet: it may be somebody else's
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link, which plaintext is not written to: give the file itself", name)
	}
	if err != nil {
		return nil, err
	}
	if err := makePrivate(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// makePrivate empties a file that is its user's own and closes it to others.
// Devices and pipes keep nothing, and stay as they are.
func makePrivate(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return fmt.Errorf("%s is a directory", f.Name())
	default:
		return unix.SetNonblock(int(f.Fd()), false)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user, who could read the plaintext: remove it or choose another name", f.Name())
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return f.Truncate(0)
}

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

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
	f.BoolVar(&o.wide, "wide", false, "long lines with everything that is known")
}

func (o *options) checkOutput() error {
	if o.output != "text" && o.output != "json" {
		return usagef("-o %s: the outputs are text and json", o.output)
	}
	return nil
}

// output is an open sink and the file below it.
type output struct {
	sink.Sink
	file io.Closer // nil for standard output
	name string
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
	out := &output{name: "standard output"}
	w := stdout
	if o.toFile() {
		f, err := createFile(o.file, tier)
		if err != nil {
			return nil, err
		}
		out.file, out.name, w = f, o.file, f
	}
	if o.output == "json" {
		out.Sink = sink.NewJSON(w, clock, tier)
	} else {
		out.Sink = sink.NewText(w, sink.TextConfig{Clock: clock, Location: time.Local, Wide: o.wide, Body: o.body})
	}
	return out, nil
}

func (o *options) toFile() bool { return o.file != "" && o.file != "-" }

// createFile keeps what holds plaintext from other users' eyes.
func createFile(name string, tier event.Tier) (*os.File, error) {
	if tier == event.TierNone {
		return os.Create(name)
	}
	return createPrivate(name)
}

// createPrivate makes a file that only its user can read.
func createPrivate(name string) (*os.File, error) {
	// Not truncated yet: it may be somebody else's. A pipe without a reader
	// would not open, which is an error and not a long wait.
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
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

// Flush hands everything to the file.
func (out *output) Flush() error { return out.named(out.Sink.Flush()) }

func (out *output) named(err error) error {
	if err == nil || errors.Is(err, sink.ErrEnough) {
		return err
	}
	return fmt.Errorf("write the events to %s: %w", out.name, err)
}

// Close flushes and closes the file.
func (out *output) Close() error {
	err := out.Flush()
	if out.file == nil {
		return err
	}
	if cerr := out.file.Close(); err == nil {
		err = cerr
	}
	return err
}

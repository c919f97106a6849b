package main

import (
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// outputFlags say where events go.
func (o *options) outputFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.output, "output", "o", "text", "text or json (JSON Lines; see ktlstop help events)")
	f.StringVarP(&o.file, "write", "w", "", "write to this file, or to standard output if it is -; a file with plaintext or packets gets mode 0600")
	o.outputBytesFlag(f)
	f.BoolVar(&o.wide, "wide", false, "long lines with everything that is known, such as the time of each stage")
}

// minOutputBytes holds a record with all its plaintext, in base64.
const minOutputBytes = 64 << 10

func (o *options) outputBytesFlag(f *pflag.FlagSet) {
	f.IntVar(&o.outputBytes, "output-bytes", sink.DefaultQueueBytes, "how many bytes may wait for the reader of the output; when they are used up, ordinary records are dropped and counted as output_full")
}

func (o *options) checkOutputBytes() error {
	if o.outputBytes < minOutputBytes || o.outputBytes > 1<<30 {
		return usagef("--output-bytes %d: from %d to %d", o.outputBytes, minOutputBytes, 1<<30)
	}
	return nil
}

// outputs are what -o takes, for a message.
func (o *options) outputs() string {
	if o.capture.mtu != 0 { // of commands that make packets, see captureFlags
		return "text, json and " + pcapng
	}
	return "text and json"
}

func (o *options) checkOutput() error {
	if o.output != "text" && o.output != "json" {
		return usagef("-o %s: the outputs are %s", o.output, o.outputs())
	}
	return o.checkOutputBytes()
}

func (o *options) open(stdout io.Writer, tier event.Tier) (*sink.Output, error) {
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
func (o *options) openAt(stdout io.Writer, tier event.Tier, clock sink.Clock) (*sink.Output, error) {
	if o.capturing() {
		return o.openCapture(stdout, tier, clock)
	}
	out := newOutput("standard output")
	below := io.WriteCloser(keepOpen{stdout})
	if o.toFile() {
		f, err := sink.Create(o.file, tier != event.TierNone)
		if err != nil {
			return nil, err
		}
		out.Name, out.File, below = o.file, f, f
	}
	out.Queue = sink.NewQueue(below, o.queueConfig())
	text := sink.TextConfig{
		Clock: clock, Location: time.Local, Width: o.columns(), Wide: o.wide, Body: o.body, Costs: o.cost, Hosts: o.hosts, Afar: o.afar}
	switch {
	case o.output == "json":
		out.Sink = sink.NewJSON(out.Queue, clock, tier)
	case o.log:
		text.NoHeader = !o.toTerminal() // where programs read it, each line is a request
		out.Sink = sink.NewLog(out.Queue, text, o.asides())
	default:
		out.Sink = sink.NewText(out.Queue, text)
	}
	return out, nil
}

func (o *options) toTerminal() bool { return !o.toFile() && term.IsTerminal(int(os.Stdout.Fd())) }

// newOutput has no queue yet, and no sink.
func newOutput(name string) *sink.Output {
	return &sink.Output{Name: name, GiveUp: endings.GiveUp, Notice: notice}
}

// queueConfig says what happens where the reader is too slow.
func (o *options) queueConfig() sink.QueueConfig {
	cfg := sink.QueueConfig{Bytes: o.outputBytes}
	if cfg.Wait = o.waitUntil; o.wait {
		cfg.Wait = endings.Context().Done()
	}
	return cfg
}

// columns is how wide the terminal is, or what COLUMNS says; 0 for what is no terminal.
func (o *options) columns() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if o.toFile() {
		return 0
	}
	n, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return n
}

func (o *options) toFile() bool { return o.file != "" && o.file != "-" }

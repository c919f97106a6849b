package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/packet"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// captureFlags say how packets are made and written.
type captureFlags struct {
	mtu           int
	size          int64 // million bytes
	files, period int
	// live says that the packets go to an interface too.
	live bool
}

const (
	pcapng       = "pcapng"
	pcapngSuffix = ".pcapng"
)

// captureFlags are those of commands that write pcapng.
func (o *options) captureFlags(f *pflag.FlagSet) {
	if out := f.Lookup("output"); out != nil {
		out.Usage = "text, json (JSON Lines; see ktlstop help events) or pcapng (packets, for Wireshark); pcapng is the default for -w FILE.pcapng"
	}
	f.IntVar(&o.capture.mtu, "mtu", packet.MaxMTU, "longest packet, in bytes, 576 to 65535; a longer record becomes several packets, which 65535 avoids")
	f.Int64VarP(&o.capture.size, "rotate-size", "C", 0, "with -w FILE.pcapng: begin a new file after N million bytes")
	f.IntVarP(&o.capture.files, "rotate-files", "W", 0, "with -C: overwrite the oldest of N files; with -G: stop after N files")
	f.IntVarP(&o.capture.period, "rotate-seconds", "G", 0, "with -w FILE.pcapng: begin a new file after N seconds; FILE is a format of strftime(3)")
}

func (o *options) capturing() bool { return o.output == pcapng }

// checkCapture also chooses pcapng where the file's name does.
func (o *options) checkCapture(cmd *cobra.Command) error {
	f := cmd.Flags()
	if !f.Changed("output") && strings.HasSuffix(o.file, pcapngSuffix) {
		o.output = pcapng
	}
	c := &o.capture
	if c.mtu < packet.MinMTU || c.mtu > packet.MaxMTU {
		return usagef("--mtu %d: from %d to %d", c.mtu, packet.MinMTU, packet.MaxMTU)
	}
	if f.Changed("mtu") && !c.live && !o.capturing() {
		return usagef("--mtu: it is for packets, as in -w FILE%s", pcapngSuffix)
	}
	for _, name := range []string{"rotate-size", "rotate-files", "rotate-seconds"} {
		if err := o.checkRotation(f, name); err != nil {
			return err
		}
	}
	if !o.capturing() {
		return o.checkOutput()
	}
	if err := o.checkOutputBytes(); err != nil {
		return err
	}
	if c.files > 0 && c.size == 0 && c.period == 0 {
		return usagef("-W %d: it needs -C or -G", c.files)
	}
	if !o.toFile() && term.IsTerminal(int(os.Stdout.Fd())) {
		return usagef("-o pcapng: standard output is a terminal; use -w FILE%s, or | wireshark -k -i -", pcapngSuffix)
	}
	return nil
}

func (o *options) checkRotation(f *pflag.FlagSet, name string) error {
	flag := f.Lookup(name)
	if !flag.Changed {
		return nil
	}
	if strings.HasPrefix(flag.Value.String(), "-") || flag.Value.String() == "0" {
		return usagef("-%s %s: at least 1", flag.Shorthand, flag.Value)
	}
	if o.file == "" || !o.toFile() || !o.capturing() {
		return usagef("-%s: it is for -w FILE%s", flag.Shorthand, pcapngSuffix)
	}
	if o.capture.period > 0 {
		if err := sink.CheckFormat(o.file); err != nil {
			return usagef("-w: %w", err)
		}
	}
	return nil
}

// openCapture opens a sink for packets. What it writes is for its owner only,
// whatever the tier: addresses and sizes are nobody else's business either.
func (o *options) openCapture(stdout io.Writer, tier event.Tier, clock sink.Clock) (*sink.Output, error) {
	create := func(name string) (io.WriteCloser, error) { return sink.Create(name, true) }
	name, shown := o.file, o.file
	if !o.toFile() {
		create = func(string) (io.WriteCloser, error) { return keepOpen{stdout}, nil }
		name, shown = "", "standard output"
	}
	c := &o.capture
	files, err := sink.NewFiles(name, sink.Rotation{Bytes: c.size * 1_000_000, Count: c.files,
		Period: time.Duration(c.period) * time.Second, Location: time.Local}, o.queueConfig(), create)
	if err != nil {
		return nil, err
	}
	s, err := sink.NewPcapng(files, sink.PcapngConfig{Clock: clock, Tier: tier, Snaplen: o.snaplen,
		MTU: c.mtu, Application: "ktlstop " + version})
	if err != nil {
		return nil, err
	}
	out := newOutput(shown)
	out.Sink, out.Queue, out.Raw = s, files.Queue(), true
	return out, nil
}

// keepOpen is standard output, which others may go on to use.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

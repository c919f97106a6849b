package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

func newTrace() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Print each record as a line, or write packets",
		Long: `trace prints a line for each record that the kernel encrypts or decrypts: time,
process, direction, type, sequence number, length, call, latency and connection.
Lines also report opened and closed connections, new keys, errors and losses. A
summary ends the trace. Use it to follow single records; for sums, use the dashboard.

With -o json the lines are JSON, which ktlstop --read plays in the dashboard. With
-o pcapng each record of application data becomes the packets that it would be
without TLS.

Without -s no application data leaves the kernel: of an alert its level and
description do, and of handshake messages their types. With -s the first N bytes
of each record do; tier in JSON says so (none or snap).

With --keep trace is a flight recorder: it writes nothing until --on holds or
SIGUSR1 arrives, and then the events of the last seconds.

With --read trace prints a recording, or what ktlstop serve sees on other hosts. A
recording can be written in another format; with URLs --match, --comm, -c and
--duration work too.

A slow reader of the output does not hold up the trace: records that find no room
are dropped and counted (output_full). trace --read waits for its reader.

--sample reports one in N records of application data of each connection and
direction. Alerts, handshake and other control records, errors, opens and closes
are always reported, and so are records that take more than eight times as long as
the moving mean of their direction, these without plaintext. A weight (x10 in text,
weight in JSON) says for how many records a line stands.`,
		Example: `  ktlstop trace --comm nginx             what nginx sends and receives
  ktlstop trace -o json --duration 10s -w events.jsonl
  ktlstop trace --port 443 -s 256        with the first 256 bytes of plaintext
  ktlstop trace -s 16384 -w x.pcapng     as packets, for Wireshark
  ktlstop trace -s 16384 -o pcapng -w - | wireshark -k -i -
  ktlstop trace --match 'type == alert or len > 4k and lat.encrypt > 5ms'
  ktlstop trace --match 'kernel_user == nvme_tcp and lat.total > 10ms'
  ktlstop trace --keep 60s --on 'errno == EBADMSG' -o json -w errors.jsonl
  ktlstop trace --read https://web1:9998 --comm nginx`,
		RunE: func(cmd *cobra.Command, _ []string) error { return trace(cmd, &o) },
	}
	f := cmd.Flags()
	o.filterFlags(f)
	o.outputFlags(f)
	o.captureFlags(f)
	o.socketFilterFlags(f)
	o.runFlags(f)
	o.sampleFlag(f)
	o.readFlag(f)
	o.keep.add(f, "--keep", 0)
	o.names.add(f)
	f.IntVarP(&o.snaplen, "snaplen", "s", 0, "show N bytes of each plaintext, at most 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after N records")
	return cmd
}

func trace(cmd *cobra.Command, o *options) error {
	if err := o.checkCapture(cmd); err != nil {
		return err
	}
	if err := o.checkSocketFilter(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("read") {
		return o.printRecording(cmd)
	}
	keeps, err := o.checkKeep(cmd)
	switch {
	case err != nil:
		return err
	case keeps:
		return o.printKept(cmd)
	}
	o.started = func() error { announce(os.Stderr, "tracing; Ctrl-C ends it", notice); return nil }
	return o.printLive(cmd)
}

// announce says what goes on from here, where a person sees it: the hooks take seconds to
// load on some hosts, and the first event may come long after. A script waits for
// --ready-file, and finds on its standard error only what it has to read.
func announce(stderr *os.File, doing string, say func(string)) {
	if term.IsTerminal(int(stderr.Fd())) {
		say(doing)
	}
}

// printLive is what trace does with flags that make sense; the demo has others.
func (o *options) printLive(cmd *cobra.Command) error {
	s, err := o.openSession(cmd)
	if err != nil {
		return err
	}
	defer closeBusy(s)
	out, err := o.open(cmd.OutOrStdout(), s.Tier())
	if err != nil {
		return err
	}
	return o.runInto(cmd.Context(), s, out)
}

// closingSink is a sink that somebody has to close.
type closingSink interface {
	sink.Sink
	io.Closer
}

// runInto runs a session and ends it, with all that is attached, before it waits
// for who reads the output. What no packet tells is said on standard error.
func (o *options) runInto(ctx context.Context, s *session.Session, out closingSink) error {
	if o.capturing() || o.capture.live {
		out = session.Sinks{out, session.Notices{Sink: o.asides()}}
	}
	err := o.ready()
	if err == nil {
		err = endings.Busy(func() error { return s.Run(ctx, out) })
	}
	closeBusy(s)
	return errors.Join(err, out.Close())
}

// asides writes to standard error what the output has no words for.
func (o *options) asides() sink.Sink {
	return sink.NewText(console.queue(), sink.TextConfig{Clock: o.liveClock(), Location: time.Local, Width: o.columns(), NoHeader: true})
}

// openSession opens what the flags ask for and says what it is missing, and what
// of the expression does not run in the kernel.
func (o *options) openSession(cmd *cobra.Command) (*session.Session, error) {
	cfg, err := o.session(cmd)
	if err != nil {
		return nil, err
	}
	s, err := openSession(cmd.Context(), cfg)
	if err != nil {
		return nil, err
	}
	reportMissing(s)
	for _, note := range session.InUserSpace(o.expr) {
		notice(note)
	}
	return s, nil
}

// openSession is session.Open. A signal may end the program in the midst of it,
// unless something would stay behind.
func openSession(ctx context.Context, cfg session.Config) (s *session.Session, err error) {
	if !cfg.Loader.UsesKprobes() {
		return session.Open(ctx, cfg)
	}
	err = endings.Busy(func() error {
		s, err = session.Open(ctx, cfg)
		return err
	})
	return s, err
}

// closeBusy detaches what is attached. The run's errors have been reported.
func closeBusy(s *session.Session) { _ = endings.Busy(s.Close) }

// session turns the flags into what a session does.
func (o *options) session(cmd *cobra.Command) (session.Config, error) {
	cfg, err := o.config(cmd)
	if err != nil {
		return session.Config{}, err
	}
	known, err := o.names.open()
	return session.Config{
		Loader: cfg, Names: known, SocketFilter: o.filter, Limit: o.count, Duration: o.duration, FromFirst: o.fromFirst, Notice: notice, Clock: o.liveClock(),
	}, err
}

func reportMissing(s *session.Session) {
	if s.Backend() == loader.BackendGobpf {
		notice("attached by kprobes (the gobpf backend)")
	}
	for _, m := range s.Missing() {
		notice("this kernel lacks " + m)
	}
	for _, note := range s.Unnamed() {
		notice(note)
	}
}

// ready tells whoever waits for the hooks.
func (o *options) ready() error {
	if o.started != nil {
		if err := o.started(); err != nil {
			return err
		}
	}
	if o.readyFile == "" {
		return nil
	}
	if err := sink.Touch(o.readyFile); err != nil {
		return fmt.Errorf("say that the hooks are live: %w", err)
	}
	return nil
}

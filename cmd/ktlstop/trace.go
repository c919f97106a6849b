package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

func newTrace() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Print each record as a line",
		Example: `  ktlstop trace --comm nginx            what nginx sends and receives
  ktlstop trace -o json --duration 10s   ten seconds as JSON Lines
  ktlstop trace --port 443 -s 256        with the first 256 bytes of plaintext
  ktlstop trace -s 16384 -w x.pcapng     as packets, for Wireshark`,
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
	f.IntVarP(&o.snaplen, "snaplen", "s", 0, "show this many bytes of each plaintext, to 16384")
	f.Uint64VarP(&o.count, "count", "c", 0, "stop after this many records")
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
	return o.printLive(cmd)
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

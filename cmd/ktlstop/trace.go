package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

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
	return o.printLive(cmd)
}

// printLive is what trace does with flags that make sense; the demo has others.
func (o *options) printLive(cmd *cobra.Command) error {
	t, err := o.openTracer(cmd)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := o.openGate(t); err != nil {
		return err
	}
	defer o.closeGate()
	out, err := o.open(cmd.OutOrStdout(), t.Tier())
	if err != nil {
		return err
	}
	if err := o.ready(); err != nil {
		return err
	}
	err = o.pump(cmd.Context(), t, out)
	return errors.Join(err, out.Close())
}

// pump runs the tracer into a sink until its time is over.
func (o *options) pump(ctx context.Context, t *loader.Tracer, out sink.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := func() { time.AfterFunc(o.duration, cancel) }
	p := newPipeline(out, o.count, newChoice(o.expr))
	if o.filterGate != nil {
		p.pass = o.filterGate.Pass
	}
	switch {
	case o.duration > 0 && o.fromFirst:
		p.first = limit
	case o.duration > 0:
		limit()
	}
	if o.sample == autoSample {
		p.thin = o.newThinning()
	}
	err := t.Run(ctx, withContainers(p.handle), func() error {
		p.thin.look(time.Now())
		return out.Flush()
	})
	var cost *loader.CostError
	if errors.As(err, &cost) {
		p.stopped = stoppedByCost
		return errors.Join(p.finish(t), err)
	}
	if errors.Is(err, errEnough) || errors.Is(err, sink.ErrEnough) {
		// What lies unread in the ring is not lost, it is not asked for.
		if err := t.Losses(p.handle); err != nil {
			return err
		}
		return p.out.Write(p.summary(t))
	}
	if err != nil {
		return err
	}
	return p.finish(t)
}

// openTracer opens the loader as the flags say.
func (o *options) openTracer(cmd *cobra.Command) (*loader.Tracer, error) {
	cfg, err := o.config(cmd)
	if err != nil {
		return nil, err
	}
	return openTracer(cfg)
}

// openTracer opens the loader and says what it is missing, and what of the
// expression does not run in the kernel.
func openTracer(cfg loader.Config) (*loader.Tracer, error) {
	t, err := loader.Open(cfg)
	if err != nil {
		return nil, err
	}
	if t.Backend() == loader.BackendGobpf {
		fmt.Fprintln(os.Stderr, "ktlstop: attached by kprobes (the gobpf backend)")
	}
	for _, m := range t.Missing() {
		fmt.Fprintln(os.Stderr, "ktlstop: this kernel lacks "+m)
	}
	for _, note := range inUserSpace(cfg.Match) {
		fmt.Fprintln(os.Stderr, "ktlstop: "+note)
	}
	return t, nil
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
	if err := os.WriteFile(o.readyFile, nil, 0o644); err != nil {
		return fmt.Errorf("say that the hooks are live: %w", err)
	}
	return nil
}

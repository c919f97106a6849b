package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// readFlag takes the events from a file instead of the kernel.
func (o *options) readFlag(f *pflag.FlagSet) {
	f.StringVar(&o.read, "read", "", "show what ktlstop trace -o json -w FILE recorded; needs no root")
}

// checkRead refuses the flags that act in the kernel, which has no part in it.
func (o *options) checkRead(cmd *cobra.Command, allowed ...string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "read" && !slices.Contains(allowed, f.Name) {
			err = usagef("--%s acts while events are recorded, and --read shows what was", f.Name)
		}
	})
	if o.read == "" {
		return usagef("--read is empty: which file?")
	}
	return err
}

// printRecording is ktlstop trace --read.
func (o *options) printRecording(cmd *cobra.Command) error {
	if err := o.checkRead(cmd, "output", "write", "wide"); err != nil {
		return err
	}
	r, file, err := source.Open(o.read)
	if err != nil {
		return err
	}
	defer file.Close()
	out, err := o.openAt(cmd.OutOrStdout(), r.Tier(), r.Offset())
	if err != nil {
		return err
	}
	return errors.Join(o.copyEvents(cmd.Context(), r, out), out.Close())
}

func (o *options) copyEvents(ctx context.Context, r *source.Reader, out sink.Sink) error {
	for ctx.Err() == nil {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return o.readError(err)
		}
		if err := out.Write(ev); err != nil {
			return err
		}
	}
	return nil
}

// readError names the file. That its end is missing is said, and is no failure.
func (o *options) readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, source.ErrCut):
		fmt.Fprintf(os.Stderr, "ktlstop: %s: %v\n", sink.Sanitize(o.read), err)
		return nil
	}
	return fmt.Errorf("read the recording %s: %w", o.read, err)
}

// replay is a recording on its way to the dashboard.
type replay struct {
	source.Player
	collector *flow.Collector
	mu        sync.Mutex
	run       *flow.Run // replaced, never changed
}

// showRecording is ktlstop --read.
func (o *options) showRecording(cmd *cobra.Command, interval time.Duration) error {
	if err := o.checkRead(cmd, "speed", "interval"); err != nil {
		return err
	}
	if o.speed < 0 || math.IsNaN(o.speed) {
		return usagef("--speed %v: 1 is the recorded pace, 0 is at once", o.speed)
	}
	r, file, err := source.Open(o.read)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := needTerminal("ktlstop trace --read"); err != nil {
		return err
	}
	played, err := newReplay(r, o.read, o.speed).show(cmd.Context(), interval)
	return errors.Join(o.readError(played), err)
}

func newReplay(r *source.Reader, name string, speed float64) *replay {
	p := &replay{
		collector: flow.NewCollector(flow.Config{Offset: r.Offset(), Audited: true}),
		run:       &flow.Run{Version: version, Source: "recording " + name, Tier: r.Tier()},
	}
	p.Reader, p.Speed, p.Handle = r, speed, p.handle
	if speed == 0 {
		p.Second = func(mono uint64) { p.collector.Snapshot(mono) }
	}
	return p
}

func (p *replay) handle(ev event.Event) {
	if s, ok := ev.(*event.Summary); ok {
		p.mu.Lock()
		run := *p.run
		run.Notes, run.Programs = s.Missing, s.Cost
		p.run = &run
		p.mu.Unlock()
		return
	}
	p.collector.Observe(ev)
}

func (p *replay) snapshot() *flow.Snapshot {
	s := p.collector.Snapshot(p.Now())
	p.mu.Lock()
	run := *p.run
	p.mu.Unlock()
	if p.Over() {
		run.Source += ", over"
	}
	s.Run = &run
	return s
}

// show plays the recording behind the dashboard. Where it is not to be watched,
// all of it is read before the first picture. It returns how the reading and how
// the showing ended.
func (p *replay) show(ctx context.Context, interval time.Duration) (read, shown error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	played := make(chan error, 1)
	play := func() {
		err := guarded(func() error { return p.Play(ctx) })
		if err != nil && !errors.Is(err, source.ErrCut) {
			cancel()
		}
		played <- err
	}
	if p.Speed == 0 {
		play()
	} else {
		go play()
	}
	shown = screen(ctx, tui.Config{
		Source: p.snapshot, Select: p.collector.Select, Period: interval, Location: time.Local,
		Waiting: []string{"No event of the recording has come yet."},
	})
	cancel()
	return <-played, shown
}

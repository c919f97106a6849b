package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
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
	if err := o.checkRead(cmd, "output", "write", "wide", "output-bytes", "mtu", "rotate-size", "rotate-files", "rotate-seconds"); err != nil {
		return err
	}
	r, file, err := source.Open(o.read)
	if err != nil {
		return err
	}
	defer file.Close()
	if o.writesTo(o.read) {
		return usagef("-w: %s is the recording that is read", o.read)
	}
	o.wait = true // a file loses nothing while it waits
	out, err := o.openAt(cmd.OutOrStdout(), r.Tier(), r.Clock())
	if err != nil {
		return err
	}
	read, written := session.Copy(cmd.Context(), r, out)
	return errors.Join(o.readError(read), written, out.Close())
}

// writesTo says whether the output is a file of that name or another name of it.
func (o *options) writesTo(name string) bool {
	of, err := os.Stat(name)
	if err != nil {
		return false
	}
	to, err := os.Stdout.Stat()
	if o.toFile() {
		to, err = os.Stat(o.file)
	}
	return err == nil && to.Mode().IsRegular() && os.SameFile(of, to)
}

// readError names the file. That its end is missing is said, and is no failure.
func (o *options) readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, source.ErrCut):
		console.say(fmt.Sprintf("%s: %v", o.read, err))
		return nil
	}
	return fmt.Errorf("read the recording %s: %w", o.read, err)
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
	played, err := playRecording(cmd.Context(), session.NewRecording(r, o.read, version, o.speed), interval)
	return errors.Join(o.readError(played), err)
}

// playRecording plays it behind the dashboard. Where it is not to be watched, all
// of it is read before the first picture. It returns how the reading and how the
// showing ended.
func playRecording(ctx context.Context, p *session.Recording, interval time.Duration) (read, shown error) {
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
		Source: p.Snapshot, Select: p.Select, Period: interval, Location: time.Local,
		Waiting: []string{"No event of the recording has come yet."},
	})
	cancel()
	return <-played, shown
}

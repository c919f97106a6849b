package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/tui"
)

const defaultInterval = time.Second

// What the empty screen says.
var waiting = []string{
	"No kTLS connection yet. The module tls is loaded and the hooks are live.",
}

func newDashboard() *cobra.Command {
	var o options
	interval := defaultInterval
	cmd := &cobra.Command{
		RunE: func(cmd *cobra.Command, _ []string) error { return dashboard(cmd, &o, interval, nil) },
	}
	o.filterFlags(cmd.Flags())
	o.runFlags(cmd.Flags())
	o.readFlag(cmd.Flags())
	o.names.add(cmd.Flags())
	cmd.Flags().Float64Var(&o.speed, "speed", 1, "with --read FILE: play the recording N times as fast as it was recorded; 0 shows its end at once, with -o json as one snapshot")
	cmd.Flags().IntVarP(&o.snaplen, "snaplen", "s", 0, "take N bytes of each plaintext, at most 16384, which the key x shows")
	cmd.Flags().StringVar(&o.stages, "stages", "on", "off: measure only the total time of a record, for four fifths of the cost; a record for which TCP had no room at once has no time then")
	cmd.Flags().DurationVarP(&interval, "interval", "d", interval, "time between two pictures or snapshots, at least 50ms")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json: print a snapshot each interval, as a line of JSON; needs no terminal")
	return cmd
}

// dashboard shows the live picture until the user has seen enough. started, if
// not nil, is called when the hooks are live.
func dashboard(cmd *cobra.Command, o *options, interval time.Duration, started func() error) error {
	if interval < 50*time.Millisecond {
		return usagef("--interval %v: at least 50ms", interval)
	}
	collectOften()
	if cmd.Flags().Changed("read") {
		return o.showRecording(cmd, interval)
	}
	if cmd.Flags().Changed("speed") {
		return usagef("--speed is for --read")
	}
	if o.output != "json" && o.output != "" {
		return usagef("-o %s: the dashboard's output is json, or none for the screen", o.output)
	}
	cfg, err := o.watching(cmd)
	if err != nil {
		return err
	}
	if o.output == "" {
		if err := needTerminal("ktlstop -o json for snapshots, or ktlstop trace"); err != nil {
			return err
		}
	}
	s, err := openSession(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer closeBusy(s)
	o.started = started
	if err := o.ready(); err != nil {
		return err
	}
	if o.output == "json" {
		return printSnapshots(cmd.Context(), s, cmd.OutOrStdout(), interval, func(ctx context.Context) error {
			return endings.Busy(func() error { return s.Run(ctx, nil) })
		})
	}
	return showLive(cmd.Context(), s, interval)
}

// watching is the session of a dashboard.
func (o *options) watching(cmd *cobra.Command) (session.Config, error) {
	o.names.onOutage = func(error) {} // an outage is among the screen's notes
	cfg, err := o.session(cmd)
	if err != nil {
		return cfg, err
	}
	// An expression may look at more than the kernel adds up.
	cfg.Watch, cfg.Loader.Aggregate = true, o.expr == nil
	cfg.Clock = session.NewClock(nil) // a step is among the screen's notes
	cfg.About = session.About{Version: version, Filter: filterText(cmd.Flags())}
	if o.maxCPU > 0 {
		cfg.About.Notes = append(cfg.About.Notes, fmt.Sprintf("--max-cpu %v: above that share of one processor the hooks are detached", o.maxCPU))
	}
	return cfg, o.setStages(&cfg)
}

// setStages is what --stages asks for.
func (o *options) setStages(cfg *session.Config) error {
	switch {
	case o.stages == "" || o.stages == "on": // the demo does not ask
		return nil
	case o.stages != "off":
		return usagef("--stages %s: on or off", o.stages)
	case o.expr != nil && o.match == "" && len(o.comms) > 0:
		return usagef("--stages off with --comm of a kernel user: that is an expression, which looks at each record; leave one of them out")
	case o.expr != nil:
		return usagef("--stages off with --match: an expression looks at each record, which has its stages; leave one of them out")
	case o.snaplen > 0:
		return usagef("--stages off with -s: plaintext is looked at between the stages; leave one of them out")
	}
	cfg.Loader.WithoutStages = true
	cfg.About.Notes = append(cfg.About.Notes, "--stages off: of a record's times only the total is measured")
	return nil
}

// collectOften keeps what is resident near to what is in use: a dashboard holds
// much for long and allocates little at a time, so collecting costs next to nothing.
func collectOften() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(15)
	}
}

// needTerminal says which command prints lines where there is no terminal.
func needTerminal(instead string) error {
	for _, f := range []struct {
		file *os.File
		name string
	}{{os.Stdout, "output"}, {os.Stdin, "input"}} {
		if !term.IsTerminal(int(f.file.Fd())) {
			return fmt.Errorf("standard %s is no terminal: use %s for lines", f.name, instead)
		}
	}
	return nil
}

// showLive runs the session and the screen side by side; either ends the other.
func showLive(ctx context.Context, s *session.Session, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	traced := make(chan error, 1)
	go func() {
		defer cancel()
		traced <- guarded(func() error { return endings.Busy(func() error { return s.Run(ctx, nil) }) })
	}()
	err := screen(ctx, tui.Config{
		Source: s.Snapshot, Select: s.Select, Measure: s.Measure, Period: interval, Waiting: waiting, Location: time.Local,
	})
	cancel()
	return errors.Join(err, <-traced)
}

// guarded turns a panic into an error: one outside of the screen's own
// goroutines would leave the terminal as it is.
func guarded(run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v; this is a mistake in ktlstop, please report it:\n%s", p, debug.Stack())
		}
	}()
	return run()
}

// screen is the full dashboard, or plain pictures on a terminal that cannot
// move its cursor.
func screen(ctx context.Context, cfg tui.Config) error {
	terminal := tui.TerminalFrom(os.Getenv)
	cfg.NoColor, cfg.ASCII = terminal.NoColor, terminal.ASCII
	if !terminal.Dumb {
		defer endings.AtExit(tui.RestoreTerminal(os.Stdin, os.Stdout))()
		return tui.Run(ctx, cfg, os.Stdin, os.Stdout)
	}
	return printPictures(ctx, cfg)
}

// pictureBytes may wait for a terminal. What it did not take in time is old.
const pictureBytes = 64 << 10

// printPictures writes one below the other, and leaves out those for which a slow
// terminal has no room.
func printPictures(ctx context.Context, cfg tui.Config) error {
	width, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return err
	}
	q := sink.NewQueue(keepOpen{os.Stdout}, sink.QueueConfig{Bytes: pictureBytes})
	show := func(picture string) error {
		if _, err := q.Put([]byte(picture+"\n"), sink.Ordinary); err != nil {
			return err
		}
		return q.Flush()
	}
	shown := tui.Print(ctx.Done(), cfg, show, width, height)
	if err := q.Close(endings.GiveUp()); shown == nil && err != nil {
		return fmt.Errorf("write the pictures to standard output: %w", err)
	}
	return shown
}

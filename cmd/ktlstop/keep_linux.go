package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/flight"
	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// keepFlags are those of a flight recorder.
type keepFlags struct {
	keep, after    time.Duration
	bytes          int
	on, times, dir string
	dirBytes       int64
}

// What the flags are where nobody says.
const (
	defaultKeep      = time.Minute
	defaultAfter     = 5 * time.Second
	defaultKeepBytes = 64 << 20
	defaultDirBytes  = 1 << 30
)

// keepFlagNames are those that mean nothing alone, besides --keep and --record.
var keepFlagNames = []string{"keep-after", "keep-bytes", "on", "on-times", "record-bytes"}

// add takes the flag that switches the recorder on, and the time to keep where nobody
// says.
func (k *keepFlags) add(f *pflag.FlagSet, on string, keep time.Duration) {
	with := "with " + on + ": "
	if on == "--keep" {
		f.DurationVar(&k.keep, "keep", keep, "keep the events of this time, such as 60s, in memory, and write them when --on holds or at SIGUSR1")
		f.StringVar(&k.dir, "record", "", with+"write each time to a new file in this directory, for ktlstop --read")
	} else {
		f.DurationVar(&k.keep, "keep", keep, with+"the time for which events are kept")
		f.StringVar(&k.dir, "record", "", "keep the last events in memory, and write them to a new file in this directory when --on holds, at SIGUSR1, or at a POST to "+dumpPath)
	}
	f.DurationVar(&k.after, "keep-after", defaultAfter, with+"how long to go on after the trigger before the events are written")
	f.IntVar(&k.bytes, "keep-bytes", defaultKeepBytes, with+"how much memory the events may take, in bytes; the oldest go first")
	f.StringVar(&k.on, "on", "", with+"write when this expression holds for an event, such as 'errno == EBADMSG'; see ktlstop help filters")
	f.StringVar(&k.times, "on-times", "", "with --on: only when it holds N times within this time, such as 10/1s")
	f.Int64Var(&k.dirBytes, "record-bytes", defaultDirBytes, "with --record: how many bytes all files together may take, at least four times --keep-bytes; ktlstop removes the oldest")
}

// config is what the flags ask for.
func (k *keepFlags) config(f *pflag.FlagSet) (flight.Config, error) {
	cfg := flight.Config{Keep: k.keep, After: k.after, Bytes: k.bytes, Now: loader.Monotonic}
	switch {
	case k.keep <= 0 || k.keep > 24*time.Hour:
		return cfg, usagef("--keep %v: more than 0, to 24h", k.keep)
	case k.after < 0 || k.after > time.Hour:
		return cfg, usagef("--keep-after %v: from 0 to 1h", k.after)
	case k.bytes < flight.MinBytes:
		return cfg, usagef("--keep-bytes %d: at least %d", k.bytes, flight.MinBytes)
	case f.Changed("record") && k.dir == "":
		return cfg, usagef("--record is empty: which directory?")
	case f.Changed("record-bytes") && k.dir == "":
		return cfg, usagef("--record-bytes: it is for --record")
	case k.dir != "" && k.dirBytes < 4*int64(k.bytes):
		return cfg, usagef("--record-bytes %d: at least four times --keep-bytes, %d", k.dirBytes, 4*int64(k.bytes))
	case f.Changed("on-times") && k.on == "":
		return cfg, usagef("--on-times: it is for --on")
	}
	if err := k.setOn(f, &cfg); err != nil {
		return cfg, err
	}
	return cfg, k.setTimes(&cfg)
}

func (k *keepFlags) setOn(f *pflag.FlagSet, cfg *flight.Config) error {
	if !f.Changed("on") {
		return nil
	}
	e, err := match.Parse(k.on)
	if err != nil {
		return usagef("--on: %w", err)
	}
	if e.Root == nil {
		return usagef("--on is empty: leave it out, or say when")
	}
	cfg.On, cfg.OnText = e, k.on
	return nil
}

// maxTimes bounds how many moments are remembered.
const maxTimes = 100_000

func (k *keepFlags) setTimes(cfg *flight.Config) error {
	if k.times == "" {
		return nil
	}
	n, within, _ := strings.Cut(k.times, "/")
	var err error
	if cfg.Times, err = strconv.Atoi(n); err == nil {
		cfg.Within, err = time.ParseDuration(within)
	}
	if err != nil || cfg.Times < 1 || cfg.Times > maxTimes || cfg.Within <= 0 {
		return usagef("--on-times %s: how often in how long, as 10/1s; at most %d times", k.times, maxTimes)
	}
	return nil
}

// files are where --record writes to.
func (k *keepFlags) files(tier event.Tier, clock sink.Clock) (*flight.Files, error) {
	f := &flight.Files{Dir: k.dir, Bytes: k.dirBytes, Tier: tier, Clock: clock, Now: time.Now, Notice: notice}
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("--record: %w", err)
	}
	return f, nil
}

// checkKeep reports whether a trace is to keep events, and what is wrong with the flags.
func (o *options) checkKeep(cmd *cobra.Command) (bool, error) {
	f := cmd.Flags()
	if !f.Changed("keep") {
		for _, name := range append([]string{"record"}, keepFlagNames...) {
			if f.Changed(name) {
				return false, usagef("--%s: it is for --keep", name)
			}
		}
		return false, nil
	}
	if _, err := o.keep.config(f); err != nil {
		return true, err
	}
	for _, name := range []string{"output", "write", "wide", "output-bytes"} {
		if o.keep.dir != "" && f.Changed(name) {
			return true, usagef("--%s: with --record files are written, as JSON Lines", name)
		}
	}
	return true, nil
}

// printKept is ktlstop trace --keep.
func (o *options) printKept(cmd *cobra.Command) error {
	cfg, err := o.keep.config(cmd.Flags())
	if err != nil {
		return err
	}
	s, err := o.openSession(cmd)
	if err != nil {
		return err
	}
	defer closeBusy(s)
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	giveUp := make(chan struct{})
	o.waitUntil = giveUp
	end, err := o.keptOutput(cmd, s.Tier(), &cfg, cancel)
	if err != nil {
		return err
	}
	r := flight.New(cfg)
	defer onSignal(r)()
	if err = o.ready(); err == nil {
		announce(os.Stderr, fmt.Sprintf("keeping the last %v; Ctrl-C ends it", o.keep.keep), notice)
		err = endings.Busy(func() error { return s.Run(ctx, r) })
	}
	closeBusy(s)
	late := endings.GiveUp()
	go func() {
		<-late
		close(giveUp)
	}()
	return errors.Join(err, r.Close(giveUp), end())
}

// keptOutput says where dumps go, and how that ends. stop is called where it takes no
// more.
func (o *options) keptOutput(cmd *cobra.Command, tier event.Tier, cfg *flight.Config, stop func()) (end func() error, err error) {
	if o.keep.dir != "" {
		files, err := o.keep.files(tier, o.liveClock())
		if err != nil {
			return nil, err
		}
		cfg.Dump = reporting(files.Write)
		return func() error { return nil }, nil
	}
	out, err := o.open(cmd.OutOrStdout(), tier)
	if err != nil {
		return nil, err
	}
	var failed error // the recorder's until it is closed
	cfg.Dump = func(d *flight.Dump) (string, error) {
		if failed = errors.Join(failed, d.WriteTo(out, tier)); failed != nil {
			stop()
		}
		return out.Name, failed
	}
	return func() error { return errors.Join(failed, out.Close()) }, nil
}

// reporting tells where each dump went, or why it is nowhere.
func reporting(write func(*flight.Dump) (string, error)) func(*flight.Dump) (string, error) {
	return func(d *flight.Dump) (string, error) {
		name, err := write(d)
		if errors.Is(err, flight.ErrNothing) {
			if d.Trigger.By == event.BySignal {
				notice("set off by signal; " + err.Error())
			}
			return name, err
		}
		if err != nil {
			notice(fmt.Sprintf("what was kept is lost: %v", err))
			return name, err
		}
		notice(fmt.Sprintf("set off by %s; the events are in %s", d.Trigger.By, name))
		return name, nil
	}
}

// onSignal sets a recorder off at SIGUSR1, until the returned function is called.
func onSignal(r *flight.Recorder) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-signals:
				r.Request(event.BySignal)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-done
	}
}

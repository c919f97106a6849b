package main

import (
	"context"
	"errors"

	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/feed"
	"github.com/ktlstop/ktlstop/internal/flight"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const dumpPath = "/v1/dump"

// checkRecord reads the flags of the flight recorder, which --record switches on.
func (s *serving) checkRecord(f *pflag.FlagSet) error {
	if !f.Changed("record") {
		for _, name := range append([]string{"keep"}, keepFlagNames...) {
			if f.Changed(name) {
				return usagef("--%s: it is for --record", name)
			}
		}
		return nil
	}
	cfg, err := s.keep.config(f)
	if err != nil {
		return err
	}
	files, err := s.keep.files(event.TierNone, s.liveClock())
	if err != nil {
		return err
	}
	cfg.Dump = reporting(files.Write)
	s.recorder, s.kept = flight.New(cfg), make(chan struct{})
	return nil
}

// keeping says that the recorder gets events from here on.
func (s *serving) keeping() {
	if s.recorder != nil {
		s.keepOnce.Do(func() { close(s.kept) })
	}
}

// untraced says who gets no events while there is no trace.
func (s *serving) untraced() string {
	if s.recorder != nil {
		return "nothing is kept for --record until the hooks are attached again, in a minute: "
	}
	return "nobody reads " + event.FeedPath + " for a while: "
}

// awaitRecorder waits until the recorder gets events, if there is one.
func (s *serving) awaitRecorder(ctx context.Context) {
	if s.recorder == nil {
		return
	}
	select {
	case <-s.kept:
	case <-ctx.Done():
	}
}

// hooked says why the hooks are not live.
func (s *serving) hooked() error {
	if s.recorder != nil {
		select {
		case <-s.kept:
		default:
			return errors.New("the hooks of --record are not attached yet")
		}
	}
	return s.alive()
}

// addRecorder lets the feed's trace run all the time, for the recorder. It returns how
// the recorder ends when the trace has.
func (s *serving) addRecorder(cfg *feed.Config) (end func() error) {
	r := s.recorder
	if r == nil {
		return func() error { return nil }
	}
	cfg.Also = r
	s.server.HandlePost(dumpPath, "POST: write the last seconds of events to a file", flight.Handler(r))
	deaf := onSignal(r)
	return func() error {
		deaf()
		return r.Close(endings.GiveUp())
	}
}

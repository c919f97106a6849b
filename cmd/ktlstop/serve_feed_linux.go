package main

import (
	"context"
	"os"

	"github.com/ktlstop/ktlstop/internal/feed"
	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// tracing is the session behind the feed, as the flags have it: of the same records as
// serve's own, but with an event for each. So it is there only while somebody reads
// them. Where they are more than it keeps up with, it tells some.
func tracing(cfg session.Config) session.Config {
	if !cfg.Loader.UsesKprobes() { // which tell every record
		cfg.Loader.Sample = &loader.Sampling{Every: 1, Auto: true}
	}
	cfg.Notice = func(text string) { notice("for who reads " + event.FeedPath + ": " + text) }
	return cfg
}

// addFeed mounts the events of each record, for readers elsewhere.
func (s *serving) addFeed() {
	cfg := feed.Config{
		Host:  event.Host{Name: hostName(), Kernel: kernelRelease(), Version: version, Filter: s.filter},
		Clock: s.liveClock(), Mono: loader.Monotonic, Trace: s.trace,
	}
	end := s.addRecorder(&cfg)
	hub := feed.New(cfg)
	s.server.Handle(event.FeedPath, "events: each record as a line of JSON, while somebody reads", hub)
	s.beside = append(s.beside, func(ctx context.Context) error {
		hub.Run(ctx)
		return end()
	})
}

// hostName is what readers call this host; without one they call it by its address. In a
// pod it is the node's, which Kubernetes's downward API is told to put there: the pod's own
// changes with each restart.
func hostName() string {
	if node := os.Getenv("NODE_NAME"); node != "" {
		return node
	}
	name, _ := os.Hostname()
	return name
}

// trace is one trace of the feed. That it fails ends nothing but the feed.
func (s *serving) trace(ctx context.Context, live func([]string), out sink.Sink) error {
	err := s.traceInto(ctx, live, out)
	if err != nil && ctx.Err() == nil {
		notice(s.untraced() + err.Error())
	}
	return err
}

func (s *serving) traceInto(ctx context.Context, live func([]string), out sink.Sink) error {
	t, err := openSession(ctx, s.events)
	if err != nil {
		return err
	}
	defer closeBusy(t)
	live(t.Missing())
	s.keeping()
	return endings.Busy(func() error { return t.Run(ctx, out) })
}

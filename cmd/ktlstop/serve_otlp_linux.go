//go:build !nootlp

package main

import (
	"strings"

	"github.com/ktlstop/ktlstop/internal/otlp"
)

// checkPush says what is wrong with the environment's OTEL_ variables.
func checkPush() error {
	if _, err := otlp.Wanted(); err != nil {
		return &usageError{err}
	}
	return nil
}

// push begins to push metrics and rare events by OTLP, where the environment names a
// receiver.
func (s *serving) push() error {
	if wanted, err := otlp.Wanted(); err != nil || !wanted {
		return err
	}
	p, err := otlp.Start(otlp.Config{
		Version: version, Gatherer: s.registry, Clock: s.liveClock(), Slow: s.slow, Notice: notice,
		Connections: s.wantsEvents("connections"), CloseNotify: s.wantsEvents("close_notify"),
	})
	if err != nil {
		return err
	}
	if missing := s.session.Missing(); len(missing) > 0 {
		p.Degraded("hooks_missing", strings.Join(missing, "; "), true)
	}
	s.sinks = append(s.sinks, pushed{p})
	return s.registry.Register(p)
}

// pushed is a push whose failure does not end serve: ktlstop only reports a receiver that
// does not answer.
type pushed struct{ *otlp.Push }

// Close implements io.Closer.
func (p pushed) Close() error {
	if err := p.Push.Close(); err != nil {
		notice(err.Error())
	}
	return nil
}

// pushes says whom metrics and events are sent to, as far as the environment names somebody.
func pushes() []string {
	metrics, logs := otlp.Receivers()
	var words []string
	if metrics != "" {
		words = append(words, "metrics go to "+metrics)
	}
	if logs != "" {
		words = append(words, "events go to "+logs)
	}
	return words
}

package session

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/names"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// Sums takes what the kernel adds up of each connection, and nothing per record. One
// goroutine calls it, that of Run.
type Sums interface {
	// Sample takes the sums of one connection, which are its until it returns.
	Sample(*event.Sample)
	// Round comes each second, behind the samples of all connections that have had a
	// record. Where the tracer does not add up there are none, and it comes all the same.
	Round()
}

// summed reads a tracer's sums for Config.Sums.
type summed struct {
	tracer watched
	dest   Sums
	names  *names.Names
	last   time.Time
}

func newSummed(t watched, cfg *Config) *summed {
	return &summed{tracer: t, dest: cfg.Sums, names: cfg.Names}
}

func (s *summed) idle() error {
	if time.Since(s.last) < sampleEvery {
		return nil
	}
	return s.read()
}

func (s *summed) read() error {
	s.last = time.Now()
	err := s.tracer.Samples(func(sample *event.Sample) {
		s.names.Fill(&sample.Proc)
		s.dest.Sample(sample)
	})
	if err == nil {
		s.dest.Round()
	}
	return err
}

// datagrams audits DTLS, each record of which is reported. Of TLS that the kernel adds up
// only a choice is, and no gap is a loss.
type datagrams struct{ flow.Auditor }

// Observe implements flow.Auditor.
func (d datagrams) Observe(r *event.Record) *event.Lost {
	if !r.TLS.Version.IsDTLS() {
		return nil
	}
	return d.Auditor.Observe(r)
}

// ObserveError implements flow.Auditor.
func (d datagrams) ObserveError(e *event.Error) *event.Lost {
	if !e.TLS.Version.IsDTLS() {
		return nil
	}
	return d.Auditor.ObserveError(e)
}

// ObserveSocket implements flow.Auditor.
func (d datagrams) ObserveSocket(s *event.Socket) []*event.Lost {
	if !max(s.TX.Version, s.RX.Version).IsDTLS() {
		return nil
	}
	return d.Auditor.ObserveSocket(s)
}

// Aggregates reports whether the kernel adds records up; where it does not, each record is
// an event.
func (s *Session) Aggregates() bool { return s.tracer.Aggregates() }

// Cost is what the programs took in the windows that are over. Any goroutine may call it
// until Close.
func (s *Session) Cost() loader.Cost { return s.tracer.Cost() }

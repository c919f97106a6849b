package session

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/names"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// Sums consumes the kernel's sums of each connection, without an event per record. Only the
// goroutine of Run calls it.
type Sums interface {
	// Sample gets the sums of one connection, which it must not keep after it returns.
	Sample(*event.Sample)
	// Round is called each second, after the samples of all connections that had a
	// record. It is called even if the tracer does not add up and there are no samples.
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

// datagrams audits DTLS only, of which each record is reported. If the kernel adds TLS up,
// only some TLS records are reported, and a gap is not a loss.
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

// Cost returns the run time of the programs in the measurements that have ended. Any
// goroutine may call it until Close.
func (s *Session) Cost() loader.Cost { return s.tracer.Cost() }

package flow

import (
	"sync"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Collector owns a Table and a Ledger and lets a reader of events and a taker
// of snapshots use them at the same time. The lock is free but for the moment a
// snapshot takes.
type Collector struct {
	mu     sync.Mutex
	table  *Table
	ledger Auditor
}

// NewCollector returns a Collector with an empty Table and Ledger.
func NewCollector(cfg Config) *Collector {
	return &Collector{table: NewTable(cfg), ledger: NewAudit(cfg.MaxConns)}
}

// Observe enters an event into both, and the losses that the Ledger finds into
// the Table. The event may be reused afterwards.
func (c *Collector) Observe(ev event.Event) {
	c.enter(ev, true)
}

// Pass enters an event that is not to be shown into the Ledger alone.
func (c *Collector) Pass(ev event.Event) {
	c.enter(ev, false)
}

func (c *Collector) enter(ev event.Event, show bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// With Samples only some records of TLS are reported, so a gap is not a loss.
	if (!c.table.cfg.Sampled || isDTLS(ev)) && !c.table.cfg.Audited {
		c.audit(ev)
	}
	if show {
		c.table.Apply(ev)
	}
}

// isDTLS reports whether an event belongs to a DTLS connection: those are never sampled.
func isDTLS(ev event.Event) bool {
	switch ev := ev.(type) {
	case *event.Record:
		return ev.TLS.Version.IsDTLS()
	case *event.Socket:
		return max(ev.TX.Version, ev.RX.Version).IsDTLS()
	case *event.Error:
		return ev.TLS.Version.IsDTLS()
	}
	return false
}

// audit enters an event into the Ledger. It comes before the Table has it, so
// that what a close finds missing is still counted for the connection.
func (c *Collector) audit(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Socket:
		for _, l := range c.ledger.ObserveSocket(ev) {
			c.table.Apply(l)
		}
	case *event.Error:
		if l := c.ledger.ObserveError(ev); l != nil {
			c.table.Apply(l)
		}
	case *event.Record:
		if l := c.ledger.Observe(ev); l != nil {
			c.table.Apply(l)
		}
	}
}

// Sample enters what the kernel aggregated for one connection.
func (c *Collector) Sample(s *event.Sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.ApplySample(s)
}

// Select chooses the connection that snapshots show in detail; 0 for none.
func (c *Collector) Select(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.Select(id)
}

// Snapshot returns the state at the monotonic time now, in nanoseconds.
func (c *Collector) Snapshot(now uint64) *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.table.Snapshot(now)
	s.Duplicates, s.Forgotten = c.ledger.Duplicates(), c.ledger.Forgotten()
	return s
}

package metrics

import (
	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Write adds an event: it is the sink of a run.
func (c *Collector) Write(ev event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch ev := ev.(type) {
	case *event.Record:
		c.record(ev)
	case *event.Socket:
		c.socket(ev)
	case *event.Error:
		c.error(ev)
	case *event.Lost:
		c.gaps.Add(ev)
		if ev.Cause != flow.CauseGap { // another counter may explain the gap a moment later
			c.lost[clean(ev.Cause)] += ev.Count
		}
	}
	return nil
}

// Flush implements sink.Sink: nothing is buffered.
func (c *Collector) Flush() error { return nil }

// find returns the connection of an event and the group that the event counts for. It does
// not add an unknown connection, nil: a late event would add one that never ends.
func (c *Collector) find(id uint64, p *event.Process) (*conn, *group) {
	if e, ok := c.conns.byID.Get(id); ok {
		return e, c.groupFor(e, p)
	}
	return nil, c.groupOf(p)
}

// groupFor returns the group that an event of a connection counts for. If its owner is
// known, this becomes the connection's group.
func (c *Collector) groupFor(e *conn, p *event.Process) *group {
	if e.group != nil {
		return e.group
	}
	g := c.groupOf(p)
	if c.knows(p) {
		e.join(g)
	}
	return g
}

func (c *Collector) record(r *event.Record) {
	if r.Unsent {
		return
	}
	owner := r.Conn.Owner(&r.Proc)
	e, g := c.find(r.Conn.ID, &owner)
	d := r.Dir & 1
	if !c.run.Sums || r.TLS.Version.IsDTLS() {
		g.ended.record(r)
		g.fromEvents[d] = max(g.fromEvents[d], r.Seq+1)
		if e != nil && e.modes[d] != r.TLS.Mode {
			modes := e.modes
			modes[d] = r.TLS.Mode
			e.protect(modes)
		}
	}
	if slow := uint64(c.cfg.Slow); slow != 0 && r.Lat.Total >= slow {
		g.marks[d].mark(r, c.now())
	}
	if r.Type == event.ApplicationData {
		return
	}
	g.types[d][controlType(r.Type)]++
	if r.Type == event.Alert {
		g.countBy(alertOf(r), 1)
	}
}

func (c *Collector) socket(s *event.Socket) {
	e := c.conns.of(s.Conn.ID)
	if s.State == event.SocketClose {
		c.close(e, s)
		return
	}
	owner := s.Conn.Owner(&s.Proc)
	g := c.groupFor(e, &owner)
	g.used = c.now()
	if s.State == event.SocketOpen && !e.keyed {
		g.countBy(openedAs([2]event.TLS{s.TX, s.RX}[s.Dir&1]), 1)
	}
	if s.State == event.SocketRekey {
		g.countBy(count{of: keyUpdates, a: s.Dir.String()}, 1)
	}
	modes := [2]event.Mode{s.TX.Mode, s.RX.Mode}
	e.keyed = e.keyed || modes != [2]event.Mode{}
	e.protect(modes)
}

// close counts the end of a connection. If the owner is unknown, the end waits for its
// last sample, which may name the owner.
func (c *Collector) close(e *conn, s *event.Socket) {
	owner := s.Conn.Owner(&s.Proc)
	if e.group == nil && !c.knows(&owner) {
		c.conns.holdEnd(s)
		return
	}
	g := c.groupFor(e, &owner)
	g.used = c.now()
	c.end(s.Conn.ID, e, g)
}

// countUnassigned counts the ends that waited in vain.
func (c *Collector) countUnassigned(waited []unassignedEnd) {
	for _, h := range waited {
		e := c.conns.of(h.id)
		c.end(h.id, e, c.groupFor(e, &h.proc))
	}
}

func (c *Collector) error(ev *event.Error) {
	var g *group
	if ev.Conn.ID == 0 { // the kernel has no key of it
		g = c.groupOf(&ev.Proc)
	} else {
		owner := ev.Conn.Owner(&ev.Proc)
		_, g = c.find(ev.Conn.ID, &owner)
	}
	g.used = c.now()
	g.countBy(failureOf(ev), 1+uint64(ev.More))
}

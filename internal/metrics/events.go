package metrics

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Write enters an event: it is the sink of a run.
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
		c.lost[clean(ev.Cause)] += ev.Count
	}
	return nil
}

// Flush implements sink.Sink: nothing waits.
func (c *Collector) Flush() error { return nil }

// of is the connection of an event and the group that the event counts for. That is the
// connection's from then on, if it is known whose it is.
func (c *Collector) of(id uint64, p *event.Process) (*conn, *group) {
	e := c.conns.of(id)
	if e.group == nil {
		g := c.groupOf(p)
		if !c.knows(p) {
			return e, g
		}
		e.join(g)
	}
	return e, e.group
}

func (c *Collector) record(r *event.Record) {
	if r.Unsent {
		return
	}
	e, g := c.of(r.Conn.ID, &r.Proc)
	d := r.Dir & 1
	if !c.run.Sums || r.TLS.Version.IsDTLS() {
		g.ended.record(r)
		g.told[d] = max(g.told[d], r.Seq+1)
		modes := e.modes
		if modes[d] = r.TLS.Mode; modes != e.modes {
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
	e, g := c.of(s.Conn.ID, &s.Proc)
	g.used = c.now()
	if s.State == event.SocketClose {
		c.end(s.Conn.ID, e, g)
		return
	}
	if s.State == event.SocketOpen && !e.known {
		g.countBy(openedAs([2]event.TLS{s.TX, s.RX}[s.Dir&1]), 1)
	}
	e.known = true // the kernel's sums may know of it before any event
	if s.State == event.SocketRekey {
		g.countBy(count{of: keyUpdates, a: s.Dir.String()}, 1)
	}
	e.protect([2]event.Mode{s.TX.Mode, s.RX.Mode})
}

func (c *Collector) error(ev *event.Error) {
	var g *group
	if ev.Conn.ID == 0 { // the kernel has no key of it
		g = c.groupOf(&ev.Proc)
	} else {
		_, g = c.of(ev.Conn.ID, &ev.Proc)
	}
	g.used = c.now()
	g.countBy(failureOf(ev), 1+uint64(ev.More))
}

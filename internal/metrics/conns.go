package metrics

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// conn is a connection: the group that it counts for as long as it lives, and who seals and
// opens its records.
type conn struct {
	group *group // nil while the owner is unknown
	modes [2]event.Mode
	// keyed: an event has reported that it has a key. The kernel's sums may show it earlier.
	keyed, ended bool
	// waited is the number of rounds without a known owner.
	waited uint8
}

// conns are the open connections, and for some rounds the closed ones: their last sample, or the
// end itself, may still follow.
type conns struct {
	byID *lru.Map[uint64, *conn]
	// ended are those of the last rounds, the oldest first.
	ended [lingerRounds][]uint64
	// unassigned are the owners of those of ended whose end is not counted yet.
	unassigned map[uint64]event.Process
}

// unassignedEnd is the end of a connection whose owner was never known.
type unassignedEnd struct {
	id   uint64
	proc event.Process
}

const lingerRounds = 3

func newConns() conns {
	return conns{byID: lru.New[uint64, *conn](event.MaxConns), unassigned: map[uint64]event.Process{}}
}

// of returns a connection, a new one if it is unknown.
func (c *conns) of(id uint64) *conn {
	if e, ok := c.byID.Get(id); ok {
		return e
	}
	e := new(conn)
	if _, old, evicted := c.byID.Put(id, e); evicted {
		old.end()
	}
	return e
}

// join makes a connection count for a group, from now on.
func (e *conn) join(g *group) {
	e.group = g
	if e.ended {
		return
	}
	g.conns++
	for d, m := range e.modes {
		g.open[d][mode(m)]++
	}
}

// protect records who seals and opens.
func (e *conn) protect(modes [2]event.Mode) {
	if e.group != nil && !e.ended {
		for d := range modes {
			e.group.open[d][mode(e.modes[d])]--
			e.group.open[d][mode(modes[d])]++
		}
	}
	e.modes = modes
}

// end ends the connection. It returns false if it has ended already, since an end may be
// reported twice.
func (e *conn) end() bool {
	if e.ended {
		return false
	}
	e.ended = true
	if e.group != nil {
		e.group.conns--
		for d, m := range e.modes {
			e.group.open[d][mode(m)]--
		}
	}
	return true
}

// linger keeps a closed connection for some rounds.
func (c *conns) linger(id uint64) {
	last := len(c.ended) - 1
	c.ended[last] = append(c.ended[last], id)
}

// holdEnd keeps an end that is not counted yet.
func (c *conns) holdEnd(s *event.Socket) {
	if _, twice := c.unassigned[s.Conn.ID]; twice {
		return
	}
	c.unassigned[s.Conn.ID] = s.Proc
	c.linger(s.Conn.ID)
}

// forget ends a round, and returns the ends that were held long enough.
func (c *conns) forget() (waited []unassignedEnd) {
	first := c.ended[0]
	for _, id := range first {
		if proc, ok := c.unassigned[id]; ok {
			waited = append(waited, unassignedEnd{id, proc})
			continue
		}
		c.byID.Delete(id)
	}
	copy(c.ended[:], c.ended[1:])
	c.ended[len(c.ended)-1] = first[:0]
	if cap(first) > 1<<16 {
		c.ended[len(c.ended)-1] = nil
	}
	return waited
}

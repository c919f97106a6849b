package metrics

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// conn is a connection: the group that it counts for as long as it lives, and who seals
// and opens.
type conn struct {
	group *group // nil while nobody knows whose it is
	modes [2]event.Mode
	// keyed: an event has reported that it has a key. The kernel's sums may know of that before.
	keyed, ended bool
	// waited is for how many rounds it has been asked in vain whose it is.
	waited uint8
}

// conns are the connections that are open, and for some rounds those that have ended: of
// these a last sample, or the end itself, may come yet.
type conns struct {
	byID *lru.Map[uint64, *conn]
	// ended are those of the last rounds, the oldest first.
	ended [lingerRounds][]uint64
	// unassigned are who had those of ended whose end counts for nobody yet.
	unassigned map[uint64]event.Process
}

// unassignedEnd is the end of a connection that waited in vain to hear whose it was.
type unassignedEnd struct {
	id   uint64
	proc event.Process
}

const lingerRounds = 3

func newConns() conns {
	return conns{byID: lru.New[uint64, *conn](event.MaxConns), unassigned: map[uint64]event.Process{}}
}

// of is a connection, which is new if it is not known.
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

// join counts a connection for a group, from now on.
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

// protect notes who seals and opens.
func (e *conn) protect(modes [2]event.Mode) {
	if e.group != nil && !e.ended {
		for d := range modes {
			e.group.open[d][mode(e.modes[d])]--
			e.group.open[d][mode(modes[d])]++
		}
	}
	e.modes = modes
}

// end reports whether it is the connection's end, which may be reported twice.
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

// linger keeps one that has ended for some rounds.
func (c *conns) linger(id uint64) {
	last := len(c.ended) - 1
	c.ended[last] = append(c.ended[last], id)
}

// holdEnd keeps an end that counts for nobody yet.
func (c *conns) holdEnd(s *event.Socket) {
	if _, twice := c.unassigned[s.Conn.ID]; twice {
		return
	}
	c.unassigned[s.Conn.ID] = s.Proc
	c.linger(s.Conn.ID)
}

// forget ends a round, and returns the ends that have been held long enough.
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

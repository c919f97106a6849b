package feed

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxOpen is how many open connections are kept for readers who join later. If there
// are more, those idle longest are reported to a new reader only at their next event.
const maxOpen = 100_000

// connections are the open connections and their positions: the inventory that a reader
// gets who joins while the trace runs. The zero value is empty.
type connections struct{ all *lru.Map[uint64, *connection] }

// connection is what its last Socket event reported, and what its records have changed
// since. Sinks do not keep events, so said is a copy, which never changes.
type connection struct {
	lastSocket *event.Socket
	at         position
}

// position is how far a connection has got, by direction.
type position struct {
	next   [2]uint64
	gen    [2]uint32
	hidden [2]uint64
	totals event.Totals
}

// observe records what an event says of its connection, and returns whether it is the
// first event of that connection.
func (c *connections) observe(ev event.Event) (begins bool) {
	switch ev := ev.(type) {
	case *event.Socket:
		return c.socket(ev)
	case *event.Record:
		if c.all == nil {
			return false
		}
		if known, ok := c.all.Get(ev.Conn.ID); ok {
			known.record(ev)
		}
	}
	return false
}

func (c *connections) socket(s *event.Socket) (begins bool) {
	if c.all == nil {
		c.all = lru.New[uint64, *connection](maxOpen)
	}
	known, ok := c.all.Peek(s.Conn.ID)
	if s.State == event.SocketClose {
		c.all.Delete(s.Conn.ID)
		return !ok
	}
	last := *s
	last.State, last.Hint, last.Held, last.Offload, last.Start = event.SocketFound, nil, nil, nil, nil
	if !ok {
		known = &connection{at: position{totals: s.Totals}}
	}
	known.lastSocket = &last
	known.at.next, known.at.gen, known.at.hidden = [2]uint64{s.NextTX, s.NextRX}, [2]uint32{s.GenTX, s.GenRX}, s.Hidden
	c.all.Put(s.Conn.ID, known)
	return !ok
}

func (c *connection) record(r *event.Record) {
	d := r.Dir & 1
	c.at.totals.Add(r, 1)
	c.at.totals.Sampled[d] += r.Skipped
	if r.Gen > c.at.gen[d] || r.Gen == c.at.gen[d] && r.Seq >= c.at.next[d] {
		c.at.gen[d], c.at.next[d], c.at.hidden[d] = r.Gen, r.Seq+1, r.Hidden
	}
}

// list returns the inventory, as values that nobody changes.
func (c *connections) list() []connection {
	if c.all == nil {
		return nil
	}
	out := make([]connection, 0, c.all.Len())
	for _, known := range c.all.All() {
		out = append(out, *known)
	}
	return out
}

// found is the event that reports the connection to a reader at the monotonic time now.
func (c *connection) found(now uint64) *event.Socket {
	s := *c.lastSocket
	s.Mono = now
	s.NextTX, s.NextRX = c.at.next[event.TX], c.at.next[event.RX]
	s.GenTX, s.GenRX = c.at.gen[event.TX], c.at.gen[event.RX]
	s.Hidden, s.Totals = c.at.hidden, c.at.totals
	return &s
}

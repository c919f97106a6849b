package flight

import (
	"bytes"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// slot is one event: a record, or any other event.
type slot struct {
	mono   uint64
	other  event.Event // nil for a record
	record event.Record
	// The record's plaintext is in the chunk's arena.
	from, to int
}

const chunkSlots = 128

// chunk is a row of slots. Chunks are used again, so that keeping a record allocates
// nothing.
type chunk struct {
	slots   [chunkSlots]slot
	from, n int // slots[from:n] hold events
	arena   []byte
}

// bytes is the memory that a chunk takes.
func (c *chunk) bytes() int { return int(unsafe.Sizeof(*c)) + cap(c.arena) }

// otherBytes is the approximate memory of an event other than a record.
const otherBytes = int(unsafe.Sizeof(event.Socket{}))

// ring holds the latest events, in order.
type ring struct {
	chunks []*chunk
	free   []*chunk
	events int
	others int
	memory int // of chunks and free
	last   uint64
}

// put keeps a copy of an event, which the caller may use again.
func (r *ring) put(ev event.Event) {
	c := r.writable()
	s := &c.slots[c.n]
	c.n++
	r.events++
	if t := ev.Time(); t > 0 {
		r.last = t
	}
	*s = slot{mono: r.last}
	record, ok := ev.(*event.Record)
	if !ok {
		s.other = clone(ev)
		r.others++
		return
	}
	s.record = *record
	if record.Control != nil {
		control := *record.Control
		control.Handshakes = bytes.Clone(control.Handshakes)
		s.record.Control = &control
	}
	s.from = len(c.arena)
	before := cap(c.arena)
	c.arena = append(c.arena, record.Payload...)
	r.memory += cap(c.arena) - before
	s.to = len(c.arena)
	s.record.Payload = nil
}

// writable returns the last chunk if it has room, else another one.
func (r *ring) writable() *chunk {
	if n := len(r.chunks); n > 0 && r.chunks[n-1].n < chunkSlots {
		return r.chunks[n-1]
	}
	var c *chunk
	if n := len(r.free); n > 0 {
		c, r.free = r.free[n-1], r.free[:n-1]
	} else {
		c = new(chunk)
		r.memory += c.bytes()
	}
	r.chunks = append(r.chunks, c)
	return c
}

// size is the memory that the ring takes, free chunks included.
func (r *ring) size() int { return r.memory + r.others*otherBytes }

// oldest is the time of the first event; 0 without one.
func (r *ring) oldest() uint64 {
	if r.events == 0 {
		return 0
	}
	c := r.chunks[0]
	return c.slots[c.from].mono
}

// drop drops the oldest event.
func (r *ring) drop() {
	c := r.chunks[0]
	if c.slots[c.from].other != nil {
		r.others--
	}
	c.slots[c.from] = slot{} // releases what it points to
	c.from++
	r.events--
	if c.from < c.n {
		return
	}
	r.chunks[0] = nil
	r.chunks = r.chunks[1:]
	c.from, c.n, c.arena = 0, 0, c.arena[:0]
	r.free = append(r.free, c)
}

// shrink releases free chunks until the ring takes at most the given number of bytes.
func (r *ring) shrink(limit int) {
	for len(r.free) > 0 && r.size() > limit {
		n := len(r.free) - 1
		r.memory -= r.free[n].bytes()
		r.free[n] = nil
		r.free = r.free[:n]
	}
}

// each calls visit for all events, in order, until it returns an error. visit may use
// its argument only until it returns.
func (r *ring) each(visit func(event.Event) error) error {
	var record event.Record
	for _, c := range r.chunks {
		for i := c.from; i < c.n; i++ {
			s := &c.slots[i]
			ev := s.other
			if ev == nil {
				record = s.record
				if s.to > s.from {
					record.Payload = c.arena[s.from:s.to]
				}
				ev = &record
			}
			if err := visit(ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// clone copies an event other than a record.
func clone(ev event.Event) event.Event {
	switch ev := ev.(type) {
	case *event.Socket:
		c := *ev
		return &c
	case *event.Error:
		c := *ev
		return &c
	case *event.Drop:
		c := *ev
		return &c
	case *event.Lost:
		c := *ev
		if c.Conn != nil {
			conn := *c.Conn
			c.Conn = &conn
		}
		return &c
	}
	return ev
}

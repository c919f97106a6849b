package packet

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxClosed is how many closed connections a Builder remembers. The other end
// of one may still report what it reads.
const maxClosed = 1024

// maxFlows is how many connections that have not closed a Builder knows. The
// idlest goes first: its close may have been lost. If it speaks again it is
// taken for one that is met in its middle.
const maxFlows = 65_536

// Emit takes a packet, which is valid during the call only.
type Emit func(*Packet) error

// Builder makes packets of events that come in the order they happened. It is
// not safe for concurrent use.
type Builder struct {
	cfg    Config
	ends   map[uint64]end // by event.Conn.ID, until it closes
	tuples map[tuple]*flow
	flows  *lru.Map[*flow, struct{}] // those with an open end
	closed [maxClosed]*flow
	next   int // the oldest of closed
	pkt    Packet
}

// end is one socket's end of a connection.
type end struct {
	*flow
	side int
}

// NewBuilder returns a Builder that has seen nothing.
func NewBuilder(cfg Config) *Builder {
	if cfg.MTU == 0 {
		cfg.MTU = MaxMTU
	}
	return &Builder{cfg: cfg, ends: map[uint64]end{}, tuples: map[tuple]*flow{},
		flows: lru.New[*flow, struct{}](maxFlows)}
}

// Event emits the packets of one event, which may be none. The error is emit's.
func (b *Builder) Event(ev event.Event, emit Emit) error {
	switch ev := ev.(type) {
	case *event.Record:
		if ev.Unsent { // no packet would have been, and none is missing
			e := b.end(&ev.Conn, ev.TLS.Version)
			e.tracks[e.side][ev.Dir&1].advance(ev)
			return nil
		}
		return b.record(ev, emit)
	case *event.Socket:
		return b.socket(ev, emit)
	}
	return nil
}

func (b *Builder) socket(s *event.Socket, emit Emit) error {
	switch s.State {
	case event.SocketFound: // it begins when it speaks
		e := b.end(&s.Conn, max(s.TX.Version, s.RX.Version))
		for d := range e.tracks[e.side] {
			e.tracks[e.side][d].startUnknown = false
		}
	case event.SocketOpen: // of one direction, and maybe not the first
		e := b.end(&s.Conn, max(s.TX.Version, s.RX.Version))
		e.tracks[e.side][s.Dir&1].startUnknown = false
		return b.begin(e.flow, s.Mono, emit)
	case event.SocketClose:
		return b.close(s, emit)
	}
	return nil
}

func (b *Builder) record(r *event.Record, emit Emit) error {
	e := b.end(&r.Conn, r.TLS.Version)
	d := e.side ^ int(r.Dir&1)
	missing := e.tracks[e.side][r.Dir&1].advance(r)
	if !e.speaks(e.side, d) {
		return nil
	}
	if !e.udp { // datagrams come in any order, or not at all: a loss has a report of its own
		e.gap[d] += missing
	}
	if r.Type != event.ApplicationData {
		return nil
	}
	if err := b.begin(e.flow, r.Mono, emit); err != nil {
		return err
	}
	if err := b.segments(e.flow, d, r, emit); err != nil || !b.cfg.Acks || e.udp {
		return err
	}
	return b.send(e.flow, 1-d, ACK, r.Mono, emit)
}

// segments cuts a record. An empty one is a segment too. A datagram is cut where it is
// longer than a packet may be.
func (b *Builder) segments(f *flow, d int, r *event.Record, emit Emit) error {
	size := f.mss(b.cfg.MTU)
	parts := max(1, (int(r.Len)+size-1)/size)
	payload := r.Payload[:min(len(r.Payload), int(r.Len))]
	for i := range parts {
		length := min(size, int(r.Len)-i*size)
		captured := payload[:min(length, len(payload))]
		payload = payload[len(captured):]
		flags := ACK
		if i == parts-1 {
			flags |= PSH
		}
		b.pkt = Packet{Flags: flags, Payload: captured, Missing: length - len(captured),
			Mono: r.Mono, Record: r, Part: i + 1, Parts: parts}
		if err := f.emit(&b.pkt, d, emit); err != nil {
			return err
		}
	}
	return nil
}

// begin makes the handshake of a connection that has none yet.
func (b *Builder) begin(f *flow, mono uint64, emit Emit) error {
	if f.begun || f.udp {
		return nil
	}
	f.begun = true
	client := f.client()
	for _, p := range []struct {
		side  int
		flags Flags
	}{{client, SYN}, {1 - client, SYN | ACK}, {client, ACK}} {
		if err := b.send(f, p.side, p.flags, mono, emit); err != nil {
			return err
		}
	}
	return nil
}

// close ends the directions that the socket was the one to speak for, or that
// nobody spoke for.
func (b *Builder) close(s *event.Socket, emit Emit) error {
	e := b.end(&s.Conn, max(s.TX.Version, s.RX.Version))
	delete(b.ends, s.Conn.ID)
	defer b.retire(e.flow)
	e.open[e.side] = false
	for dir, next := range [2]uint64{s.NextTX, s.NextRX} {
		d := e.side ^ dir
		if e.fin[d] || !e.speaks(e.side, d) {
			continue
		}
		if !e.udp {
			e.gap[d] += e.tracks[e.side][dir].tail([2]uint32{s.GenTX, s.GenRX}[dir], next)
		}
		if !e.begun {
			continue
		}
		e.fin[d] = true
		if err := b.send(e.flow, d, FIN|ACK, s.Mono, emit); err != nil {
			return err
		}
	}
	if e.fin != [2]bool{true, true} || e.ended {
		return nil
	}
	e.ended = true
	return b.send(e.flow, e.side, ACK, s.Mono, emit)
}

// send emits a packet without data.
func (b *Builder) send(f *flow, d int, flags Flags, mono uint64, emit Emit) error {
	b.pkt = Packet{Flags: flags, Mono: mono}
	return f.emit(&b.pkt, d, emit)
}

// Forgotten is how many connections were forgotten for want of room.
func (b *Builder) Forgotten() uint64 { return b.flows.Evicted() }

// use makes a connection the one that was used last, and forgets the idlest
// where there are too many.
func (b *Builder) use(f *flow) {
	idlest, _, evicted := b.flows.Put(f, struct{}{})
	if !evicted {
		return
	}
	for _, id := range idlest.socks {
		delete(b.ends, id)
	}
	if b.tuples[idlest.tuple] == idlest {
		delete(b.tuples, idlest.tuple)
	}
}

// end finds the socket's end, and a place for a new one: beside the socket at
// the other end, if that is traced too, or in a connection of its own.
func (b *Builder) end(c *event.Conn, v event.Version) end {
	if e, ok := b.ends[c.ID]; ok {
		b.use(e.flow)
		return e
	}
	local, remote := endpoints(c)
	t, side := makeTuple(c, v.IsDTLS(), local, remote)
	f := b.tuples[t]
	if b.cfg.EachSocket || f == nil || f.socks[side] != 0 {
		f = newFlow(c.ID+b.Forgotten()*7919, t, side, local, remote)
		b.tuples[t] = f
	}
	f.socks[side], f.open[side] = c.ID, true
	b.use(f)
	// It may be one that was forgotten, whose first records have been seen.
	blind := track{startUnknown: b.Forgotten() > 0}
	f.tracks[side] = [2]track{blind, blind}
	b.ends[c.ID] = end{f, side}
	return b.ends[c.ID]
}

// retire forgets a connection some time after its last socket has closed.
func (b *Builder) retire(f *flow) {
	if f.open != [2]bool{} {
		return
	}
	b.flows.Delete(f)
	if old := b.closed[b.next]; old != nil && b.tuples[old.tuple] == old && old.open == [2]bool{} {
		delete(b.tuples, old.tuple)
	}
	b.closed[b.next] = f
	b.next = (b.next + 1) % maxClosed
}

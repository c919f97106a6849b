package flow

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// CauseGap is the cause of the losses that a Ledger finds: a gap in the sequences of one
// connection and direction that nothing explains.
const CauseGap = "gap"

// DefaultConns is the default of Config.MaxConns.
const DefaultConns = 100_000

// maxDropped is how many ids a Ledger remembers of connections that it no longer follows.
const maxDropped = 1 << 16

// Auditor finds missing records, by the rules of one protocol. It reports a record as
// missing only if that is certain.
type Auditor interface {
	// Observe enters a record and returns the loss before it, nil if there is none.
	Observe(*event.Record) *event.Lost
	// ObserveError enters a failure, which may have consumed a sequence.
	ObserveError(*event.Error) *event.Lost
	// ObserveSocket enters a Socket event. For a close it returns the losses at the end
	// of each direction.
	ObserveSocket(*event.Socket) []*event.Lost
	// Duplicates is the number of records that had been seen before.
	Duplicates() uint64
	// Forgotten is how often a connection was evicted for want of room. Losses between
	// its last event before that and its next record are not known.
	Forgotten() uint64
}

// Ledger is the Auditor of TLS over TCP. It knows, for each connection,
// direction and key generation, the sequence that the next record must have. It
// is not safe for concurrent use.
type Ledger struct {
	conns *lru.Map[uint64, *[2]stream]
	// dropped are connections that were followed and no longer are. droppedBelow is
	// larger than each id that dropped had no room for. Since ids increase, a new
	// connection is not among them.
	dropped      *lru.Map[uint64, struct{}]
	droppedBelow uint64
	duplicates   uint64
}

// NewLedger returns a Ledger that follows at most limit connections at a time, or
// event.MaxConns if limit is 0. At the limit, each new connection evicts the one that was
// idle longest. With event.MaxConns, that evicts an open connection only if the close of
// another was lost.
func NewLedger(limit int) *Ledger {
	if limit <= 0 {
		limit = event.MaxConns
	}
	return &Ledger{conns: lru.New[uint64, *[2]stream](limit), dropped: lru.New[uint64, struct{}](maxDropped)}
}

// Duplicates is the number of records whose sequence had been seen before.
func (l *Ledger) Duplicates() uint64 { return l.duplicates }

// Forgotten is how often a connection was evicted for want of room. Losses before its next
// record are not noticed.
func (l *Ledger) Forgotten() uint64 { return l.conns.Evicted() }

// Observe enters a record and returns the loss that its sequence reveals, nil if its
// sequence is the expected one.
func (l *Ledger) Observe(r *event.Record) *event.Lost {
	s := &l.streams(r.Conn.ID)[r.Dir&1]
	var first uint64 // of a generation that no event announced (RFC 8446 §5.3)
	if r.HasStart {
		s.start(r.Gen, r.Start)
		first = r.Start
	}
	lost := s.observe(r.Gen, r.Seq, r.Hidden, first)
	switch {
	case lost.duplicate:
		l.duplicates++
	case lost.count > 0:
		return lost.event(r.Mono, &r.Conn, r.Dir)
	}
	return nil
}

// ObserveError enters a record that failed after the kernel had advanced the sequence, and
// returns the loss that its sequence reveals, if any.
func (l *Ledger) ObserveError(e *event.Error) *event.Lost {
	if !e.Consumed {
		return nil
	}
	return l.Observe(&event.Record{Conn: e.Conn, Dir: e.Dir, Gen: e.Gen, Seq: e.Seq, Hidden: e.Hidden, Mono: e.Mono})
}

// ObserveSocket enters the sequences of both directions from a Socket event. For a close it
// returns the losses at the end of each direction, and no longer follows the connection.
func (l *Ledger) ObserveSocket(s *event.Socket) []*event.Lost {
	switch s.State {
	case event.SocketFound:
		l.found(s)
	case event.SocketOpen, event.SocketRekey:
		next, gen := s.NextTX, s.GenTX
		if s.Dir == event.RX {
			next, gen = s.NextRX, s.GenRX
		}
		l.streams(s.Conn.ID)[s.Dir&1].begin(gen, next, s.Hidden[s.Dir&1])
	case event.SocketClose:
		return l.close(s)
	}
	return nil
}

// found starts the directions that the kernel protects.
func (l *Ledger) found(s *event.Socket) {
	c := l.streams(s.Conn.ID)
	if s.TX.Mode != event.ModeNone {
		c[event.TX].found(s.GenTX, s.NextTX, s.Hidden[event.TX])
	}
	if s.RX.Mode != event.ModeNone {
		c[event.RX].found(s.GenRX, s.NextRX, s.Hidden[event.RX])
	}
}

func (l *Ledger) close(s *event.Socket) (lost []*event.Lost) {
	c, ok := l.conns.Delete(s.Conn.ID)
	if !ok && (s.Start == nil || l.wasDropped(s.Conn.ID)) {
		return nil
	}
	if !ok { // none of its events arrived
		c = new([2]stream)
		c[event.TX].start(s.GenTX, s.Start[event.TX])
		c[event.RX].start(s.GenRX, s.Start[event.RX])
	}
	l.leave(s.Conn.ID)
	ends := [2]struct {
		gen  uint32
		next uint64
	}{{s.GenTX, s.NextTX}, {s.GenRX, s.NextRX}}
	for d, end := range ends {
		if tail := c[d].end(end.gen, end.next, s.Hidden[d]); tail.count > 0 {
			lost = append(lost, tail.event(s.Mono, &s.Conn, event.Dir(d)))
		}
	}
	return lost
}

// streams returns the two directions of a connection, which it creates if necessary. If the
// connection was followed before, only its next record shows the expected sequence.
func (l *Ledger) streams(id uint64) *[2]stream {
	if c, ok := l.conns.Get(id); ok {
		return c
	}
	c := new([2]stream)
	if l.wasDropped(id) {
		c[event.TX].unsure, c[event.RX].unsure = true, true
		l.dropped.Delete(id)
	}
	if old, _, evicted := l.conns.Put(id, c); evicted {
		l.leave(old)
	}
	return c
}

// leave remembers that a connection was followed: its first sequence says nothing about its
// next record any more.
func (l *Ledger) leave(id uint64) {
	if old, _, evicted := l.dropped.Put(id, struct{}{}); evicted {
		l.droppedBelow = max(l.droppedBelow, old+1)
	}
}

// wasDropped reports whether a connection that is not followed may have been.
func (l *Ledger) wasDropped(id uint64) bool {
	if id < l.droppedBelow {
		return true
	}
	_, gone := l.dropped.Peek(id)
	return gone
}

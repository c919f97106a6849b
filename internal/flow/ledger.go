package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// CauseGap is the cause of the losses that a Ledger finds: a step in the
// sequences of one connection and direction that nothing explains.
const CauseGap = "gap"

// DefaultConns is the number of connections that a Ledger and a Table follow
// when nothing else is asked for.
const DefaultConns = 100_000

// Ledger knows, for each connection, direction and key generation, the sequence
// that the next record must have, and thereby what is missing (DESIGN §4.1).
// It is not safe for concurrent use.
type Ledger struct {
	limit      int
	conns      map[uint64]*[2]stream
	duplicates uint64
	forgotten  uint64
}

// NewLedger returns a Ledger that follows at most limit connections at a time,
// DefaultConns if limit is 0. Past that it forgets one for each new one, and
// counts it.
func NewLedger(limit int) *Ledger {
	if limit <= 0 {
		limit = DefaultConns
	}
	return &Ledger{limit: limit, conns: make(map[uint64]*[2]stream)}
}

// Duplicates is the number of records whose sequence had been seen before.
func (l *Ledger) Duplicates() uint64 { return l.duplicates }

// Forgotten is the number of connections given up for want of room. The next
// record of such a connection starts anew, so that losses at that point go
// unnoticed.
func (l *Ledger) Forgotten() uint64 { return l.forgotten }

// Observe enters a record and returns the loss that its sequence betrays, nil
// when it is the one that was due.
func (l *Ledger) Observe(r *event.Record) *event.Lost {
	s := &l.streams(r.Conn.ID)[r.Dir&1]
	if r.HasStart {
		s.start(r.Gen, r.Start)
	}
	lost := s.observe(r.Gen, r.Seq, r.Hidden)
	switch {
	case lost.duplicate:
		l.duplicates++
	case lost.count > 0:
		return lost.event(r.Mono, &r.Conn, r.Dir)
	}
	return nil
}

// ObserveError enters a record that failed after the kernel had counted it, and
// returns the loss that its sequence betrays, if any.
func (l *Ledger) ObserveError(e *event.Error) *event.Lost {
	if !e.Taken {
		return nil
	}
	return l.Observe(&event.Record{Conn: e.Conn, Dir: e.Dir, Gen: e.Gen, Seq: e.Seq, Hidden: e.Hidden, Mono: e.Mono})
}

// ObserveSocket enters what a Socket event says about the sequences of both
// directions. A close returns what is missing at the ends and forgets the
// connection.
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
	c, ok := l.conns[s.Conn.ID]
	if !ok && s.Start == nil {
		return nil
	}
	if !ok { // none of its events arrived
		c = new([2]stream)
		c[event.TX].start(s.GenTX, s.Start[event.TX])
		c[event.RX].start(s.GenRX, s.Start[event.RX])
	}
	delete(l.conns, s.Conn.ID)
	ends := [2]struct {
		gen  uint32
		next uint64
	}{{s.GenTX, s.NextTX}, {s.GenRX, s.NextRX}}
	for d, end := range ends {
		if event.Dir(d) == event.TX && s.TX.Mode == event.ModeHW {
			continue // the network card counts what it seals, and no hook sees it
		}
		if tail := c[d].end(end.gen, end.next, s.Hidden[d]); tail.count > 0 {
			lost = append(lost, tail.event(s.Mono, &s.Conn, event.Dir(d)))
		}
	}
	return lost
}

// streams returns the two directions of a connection, new ones if need be.
func (l *Ledger) streams(id uint64) *[2]stream {
	if c, ok := l.conns[id]; ok {
		return c
	}
	if len(l.conns) >= l.limit {
		l.forgetOne()
	}
	c := new([2]stream)
	l.conns[id] = c
	return c
}

// forgetOne drops whichever connection the map yields first. Only connections
// whose close was lost pile up, so any choice is as good as another.
func (l *Ledger) forgetOne() {
	for id := range l.conns {
		delete(l.conns, id)
		l.forgotten++
		return
	}
}

package flow

import (
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Datagrams is the Auditor of DTLS over UDP. Sent records have consecutive numbers, but are
// reported in any order, since several threads can send: how many are missing is known when
// the connection ends. Received records have no order: datagrams can be lost, duplicated or
// late, so that a gap in their numbers is not a loss of the trace. The kernel reports each
// record that it dropped (event.Drop).
type Datagrams struct {
	conns *lru.Map[uint64, *sent]
}

// sent is what is known of the records that one connection has sent.
type sent struct {
	now, before epoch  // records of the previous key can still be reported
	past        uint64 // numbers used by those before that
	reported    uint64
	// For a connection that was evicted and came back: what was hidden before, and that
	// nothing before its next record counts.
	hidden uint64
	again  bool
}

// epoch is a range of the numbers of one key: those from start to next-1 are used.
type epoch struct {
	number      uint32 // event.Record.Gen
	known       bool
	start, next uint64
}

func (e *epoch) used() uint64 {
	if !e.known {
		return 0
	}
	return e.next - min(e.start, e.next)
}

func (e *epoch) add(seq uint64) {
	e.start, e.next = min(e.start, seq), max(e.next, seq+1)
}

// NewDatagrams returns a Datagrams that follows at most limit connections at a time,
// event.MaxConns if limit is 0. Past that the idlest makes room.
func NewDatagrams(limit int) *Datagrams {
	if limit <= 0 {
		limit = event.MaxConns
	}
	return &Datagrams{lru.New[uint64, *sent](limit)}
}

// Observe enters a record. What is missing is known only when its connection ends.
func (d *Datagrams) Observe(r *event.Record) *event.Lost {
	if r.Dir == event.RX {
		return nil
	}
	s := d.of(r.Conn.ID, r.Hidden)
	start := min(r.Start, r.Seq)
	if s.again {
		start, s.again = r.Seq, false
	}
	s.reported++
	switch {
	case s.before.known && r.Gen == s.before.number:
		s.before.add(r.Seq)
	case s.now.known && r.Gen == s.now.number:
		s.now.add(r.Seq)
	default:
		s.begin(r.Gen, start)
		s.now.add(r.Seq)
	}
	return nil
}

func (d *Datagrams) of(conn, hidden uint64) *sent {
	s, ok := d.conns.Get(conn)
	if !ok {
		s = new(sent)
		if d.conns.Evicted() > 0 {
			s.hidden, s.again = hidden, true
		}
		d.conns.Put(conn, s)
	}
	return s
}

// begin lets another key be the current one.
func (s *sent) begin(number uint32, start uint64) {
	s.past += s.before.used()
	s.before = s.now
	s.now = epoch{number: number, known: true, start: start, next: start}
}

// ObserveError implements Auditor.
func (d *Datagrams) ObserveError(*event.Error) *event.Lost { return nil }

// ObserveSocket enters the numbers of sent records from a Socket event. For a close it
// returns those that are missing.
func (d *Datagrams) ObserveSocket(s *event.Socket) []*event.Lost {
	switch {
	case s.State == event.SocketClose:
		return d.close(s)
	case s.State.HasDir() && s.Dir == event.TX:
		d.of(s.Conn.ID, s.Hidden[event.TX])
	}
	return nil
}

func (d *Datagrams) close(s *event.Socket) []*event.Lost {
	c, ok := d.conns.Delete(s.Conn.ID)
	if !ok || !c.now.known { // nothing was reported, not even from which number on
		return nil
	}
	if s.GenTX == c.now.number { // of a key with which nothing was reported, not even its begin is known
		c.now.next = max(c.now.next, s.NextTX)
	}
	used := c.past + c.before.used() + c.now.used()
	known := c.reported + s.Hidden[event.TX] - min(c.hidden, s.Hidden[event.TX])
	if used <= known {
		return nil
	}
	conn := s.Conn
	return []*event.Lost{{Mono: s.Mono, Cause: CauseGap, Count: used - known, Conn: &conn, Dir: event.TX, First: c.now.start, Last: c.now.next - 1}}
}

// Duplicates implements Auditor. It returns 0: the kernel reports a duplicate as a replay.
func (d *Datagrams) Duplicates() uint64 { return 0 }

// Forgotten implements Auditor.
func (d *Datagrams) Forgotten() uint64 { return d.conns.Evicted() }

// Audit is the Auditor of all protocols, each by its own rules.
type Audit struct {
	tls  *Ledger
	dtls *Datagrams
}

// NewAudit returns an Audit with the limit of NewLedger for each protocol.
func NewAudit(limit int) *Audit { return &Audit{NewLedger(limit), NewDatagrams(limit)} }

func (a *Audit) of(v event.Version) Auditor {
	if v.IsDTLS() {
		return a.dtls
	}
	return a.tls
}

// Observe implements Auditor.
func (a *Audit) Observe(r *event.Record) *event.Lost { return a.of(r.TLS.Version).Observe(r) }

// ObserveError implements Auditor.
func (a *Audit) ObserveError(e *event.Error) *event.Lost {
	return a.of(e.TLS.Version).ObserveError(e)
}

// ObserveSocket implements Auditor.
func (a *Audit) ObserveSocket(s *event.Socket) []*event.Lost {
	return a.of(max(s.TX.Version, s.RX.Version)).ObserveSocket(s)
}

// Duplicates implements Auditor.
func (a *Audit) Duplicates() uint64 { return a.tls.Duplicates() + a.dtls.Duplicates() }

// Forgotten implements Auditor.
func (a *Audit) Forgotten() uint64 { return a.tls.Forgotten() + a.dtls.Forgotten() }

package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// live is one direction of a connection that reports as the kernel does: each
// record says where its key began.
type live struct {
	id       uint64
	dir      event.Dir
	gen      uint32
	start    uint64
	next     uint64
	reported bool // its key was announced
}

func (w *live) record() *event.Record {
	r := &event.Record{Conn: event.Conn{ID: w.id}, Dir: w.dir, Gen: w.gen, Seq: w.next, Start: w.start, HasStart: true}
	w.next++
	return r
}

func (w *live) announce(state event.SocketState) *event.Socket {
	s := &event.Socket{State: state, Conn: event.Conn{ID: w.id}, Dir: w.dir,
		TX: event.TLS{Mode: event.ModeSW}, RX: event.TLS{Mode: event.ModeSW}}
	s.NextTX, s.NextRX, s.GenTX, s.GenRX = w.start, w.start, w.gen, w.gen
	w.reported = true
	return s
}

func (w *live) rekey(rng *rand.Rand) {
	w.gen, w.start, w.reported = w.gen+1, rng.Uint64N(1000), false
	w.next = w.start
}

// crowd is many connections of two directions, and the Ledger that hears them.
type crowd struct {
	rng    *rand.Rand
	ledger *Ledger
	conns  [][2]*live
	ids    uint64
	lost   uint64
}

func (c *crowd) connect() {
	c.ids++
	var both [2]*live
	for d := range both {
		start := c.rng.Uint64N(1000)
		both[d] = &live{id: c.ids, dir: event.Dir(d), start: start, next: start}
	}
	c.conns = append(c.conns, both)
}

func (c *crowd) hear(ev event.Event) {
	for _, l := range feed(c.ledger, ev) {
		c.lost += l.Count
	}
}

// close ends connection i, with where it began if at is set, as at a run's end.
func (c *crowd) close(i int, at bool) {
	tx, rx := c.conns[i][0], c.conns[i][1]
	s := &event.Socket{State: event.SocketClose, Conn: event.Conn{ID: tx.id},
		NextTX: tx.next, NextRX: rx.next, GenTX: tx.gen, GenRX: rx.gen}
	if at {
		s.Start = &[2]uint64{tx.start, rx.start}
	}
	c.hear(s)
	c.conns = append(c.conns[:i], c.conns[i+1:]...)
}

// step lets one thing happen to one connection. Announcements come early, late,
// or not at all.
func (c *crowd) step() {
	if len(c.conns) == 0 || c.rng.IntN(20) == 0 {
		c.connect()
	}
	i := c.rng.IntN(len(c.conns))
	w := c.conns[i][c.rng.IntN(2)]
	switch n := c.rng.IntN(40); {
	case n == 0:
		c.close(i, c.rng.IntN(2) == 0)
	case n == 1 && w.next > w.start: // it has had a record, which announced its key
		w.rekey(c.rng)
		c.hear(w.record())
	case n < 4 && !w.reported:
		c.hear(w.announce([]event.SocketState{event.SocketOpen, event.SocketRekey}[c.rng.IntN(2)]))
	case n == 4: // out of the kernel's map, without a word
		c.conns = append(c.conns[:i], c.conns[i+1:]...)
	default:
		c.hear(w.record())
	}
}

// TestLedgerInventsNoLoss: every record is delivered, so that nothing is lost,
// whatever the limit and whatever comes between.
func TestLedgerInventsNoLoss(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 2))
		l := NewLedger(1 + rng.IntN(20))
		if seed%3 == 0 { // so little that most names of the gone are gone too
			l.dropped = lru.New[uint64, struct{}](2)
		}
		c := &crowd{rng: rng, ledger: l}
		for range 3000 {
			c.step()
		}
		for len(c.conns) > 0 {
			c.close(0, true)
		}
		if c.lost != 0 || l.Duplicates() != 0 {
			t.Fatalf("seed %d: %d lost, %d duplicates; every record came once", seed, c.lost, l.Duplicates())
		}
	}
}

// TestLedgerOverItsLimit: three connections in turn where there is room for two.
func TestLedgerOverItsLimit(t *testing.T) {
	l := NewLedger(2)
	for seq := range uint64(1000) {
		for id := range uint64(3) {
			r := &event.Record{Conn: event.Conn{ID: id + 1}, Seq: seq, HasStart: true}
			if lost := l.Observe(r); lost != nil {
				t.Fatalf("connection %d, record %d: %d lost", id+1, seq, lost.Count)
			}
		}
	}
	if l.Forgotten() != 2998 {
		t.Errorf("%d forgotten, want 2,998: all that was followed but for the last two", l.Forgotten())
	}
}

// TestLedgerForgetsTheIdle, so that what goes on is followed without a break and
// its gaps are found exactly: as long as no more others come between two of its
// records than there is room for.
func TestLedgerForgetsTheIdle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	l := NewLedger(64)
	busy := &live{id: 1}
	var dropped, lost uint64
	for id := range uint64(5000) {
		l.Observe((&live{id: id + 2}).record())
		if rng.IntN(3) == 0 {
			busy.record()
			dropped++
			continue
		}
		if v := l.Observe(busy.record()); v != nil {
			lost += v.Count
		}
	}
	end := &event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 1}, NextTX: busy.next}
	for _, v := range l.ObserveSocket(end) {
		lost += v.Count
	}
	if dropped == 0 || lost != dropped {
		t.Errorf("%d lost, want %d", lost, dropped)
	}
}

// TestLedgerFollowsAgain: past the point where a forgotten connection comes
// back, its gaps are found.
func TestLedgerFollowsAgain(t *testing.T) {
	l := NewLedger(1)
	w, other := &live{id: 1}, &live{id: 2}
	l.Observe(w.record())
	l.Observe(other.record()) // 1 is forgotten
	w.next = 5
	if lost := l.Observe(w.record()); lost != nil {
		t.Fatalf("%d lost before it came back: that is not known", lost.Count)
	}
	w.next = 9
	if lost := l.Observe(w.record()); lost == nil || lost.First != 6 || lost.Last != 8 {
		t.Errorf("lost %+v, want records 6 to 8", lost)
	}
}

// TestLedgerTurnsToTheStart of a key that nothing announced.
func TestLedgerTurnsToTheStart(t *testing.T) {
	l := NewLedger(0)
	w := &live{id: 1}
	l.Observe(w.record())
	w.gen, w.start, w.next = 1, 40, 42
	if lost := l.Observe(w.record()); lost == nil || lost.First != 40 || lost.Last != 41 {
		t.Errorf("lost %+v, want records 40 and 41", lost)
	}
}

// TestLedgerMemory: what it holds is bounded, however many come and go.
func TestLedgerMemory(t *testing.T) {
	l := NewLedger(100)
	for id := range uint64(3 * maxDropped) {
		l.Observe((&live{id: id + 1}).record())
	}
	if l.conns.Len() != 100 || l.dropped.Len() != maxDropped {
		t.Errorf("%d followed, %d remembered as gone", l.conns.Len(), l.dropped.Len())
	}
	// The first is no longer among the gone by name, but not taken for a new one.
	if lost := l.Observe(&event.Record{Conn: event.Conn{ID: 1}, Seq: 1000, HasStart: true}); lost != nil {
		t.Errorf("%d lost of a connection forgotten long ago", lost.Count)
	}
	// A new one is, and what is missing of it is missing.
	if lost := l.Observe(&event.Record{Conn: event.Conn{ID: 3*maxDropped + 1}, Seq: 7, HasStart: true}); lost == nil || lost.Count != 7 {
		t.Errorf("lost %+v, want 7", lost)
	}
}

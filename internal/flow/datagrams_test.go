package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func datagram(d event.Dir, epoch uint16, seq, hidden uint64) *event.Record {
	return &event.Record{Conn: event.Conn{ID: 7}, Dir: d, Epoch: epoch, Gen: uint32(epoch) - 1, Seq: seq, Hidden: hidden, HasStart: true, Start: 1,
		TLS: event.TLS{Version: event.DTLS12}}
}

func closing(next, hidden uint64) *event.Socket { return closingAt(0, next, hidden) }

func closingAt(gen uint32, next, hidden uint64) *event.Socket {
	s := &event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 7}, GenTX: gen, NextTX: next, Hidden: [2]uint64{hidden, 0}}
	s.TX.Version, s.RX.Version = event.DTLS12, event.DTLS12
	return s
}

// TestDatagrams: what is missing of what was sent shows at the end, in whatever order it is reported.
func TestDatagrams(t *testing.T) {
	tx, rx := event.TX, event.RX
	for _, c := range []struct {
		name    string
		records []*event.Record
		end     *event.Socket
		missing uint64
	}{
		{"all", []*event.Record{datagram(tx, 1, 1, 0), datagram(tx, 1, 2, 0)}, closing(3, 0), 0},
		{"in another order", []*event.Record{datagram(tx, 1, 3, 0), datagram(tx, 1, 1, 0), datagram(tx, 1, 2, 0)}, closing(4, 0), 0},
		{"one in the middle", []*event.Record{datagram(tx, 1, 1, 0), datagram(tx, 1, 3, 0)}, closing(4, 0), 1},
		{"two at the end", []*event.Record{datagram(tx, 1, 1, 0)}, closing(4, 0), 2},
		{"the first", []*event.Record{datagram(tx, 1, 3, 0)}, closing(4, 0), 2},
		{"kept back", []*event.Record{datagram(tx, 1, 2, 1), datagram(tx, 1, 5, 3)}, closing(6, 3), 0},
		{"kept back, and one lost", []*event.Record{datagram(tx, 1, 2, 1), datagram(tx, 1, 5, 2)}, closing(6, 2), 1},
		{"received with gaps and twice", []*event.Record{datagram(rx, 1, 9, 0), datagram(rx, 1, 2, 0), datagram(rx, 1, 2, 0)}, closing(0, 0), 0},
		{"another key", []*event.Record{datagram(tx, 1, 1, 0), datagram(tx, 2, 1, 0), datagram(tx, 1, 2, 0), datagram(tx, 2, 2, 0)}, closingAt(1, 3, 0), 0},
		{"one lost before another key", []*event.Record{datagram(tx, 1, 1, 0), datagram(tx, 1, 3, 0), datagram(tx, 2, 1, 0)}, closingAt(1, 2, 0), 1},
		{"a key without a record", []*event.Record{datagram(tx, 1, 1, 0)}, closingAt(1, 9, 0), 0},
		{"three keys", []*event.Record{datagram(tx, 1, 1, 0), datagram(tx, 2, 2, 0), datagram(tx, 3, 1, 0)}, closingAt(2, 2, 0), 1},
	} {
		a := NewAudit(0)
		for _, r := range c.records {
			if l := a.Observe(r); l != nil {
				t.Errorf("%s: record %d reports %+v", c.name, r.Seq, l)
			}
		}
		var missing uint64
		for _, l := range a.ObserveSocket(c.end) {
			missing += l.Count
			if l.Cause != CauseGap || l.Dir != tx || l.Conn.ID != 7 || l.Last < l.First {
				t.Errorf("%s: %+v", c.name, l)
			}
		}
		if missing != c.missing || a.Duplicates() != 0 {
			t.Errorf("%s: %d missing, want %d", c.name, missing, c.missing)
		}
	}
}

// TestDatagramsAtRandom: any order, any losses: as many are missing as were not reported.
func TestDatagramsAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		n := 1 + rng.IntN(50)
		order := rng.Perm(n)
		reported := order[:rng.IntN(n)]
		a := NewAudit(0)
		a.ObserveSocket(&event.Socket{State: event.SocketOpen, Conn: event.Conn{ID: 7}, TX: event.TLS{Version: event.DTLS12}})
		for _, i := range reported {
			a.Observe(datagram(event.TX, 1, uint64(1+i), 0))
		}
		var missing uint64
		for _, l := range a.ObserveSocket(closing(uint64(n+1), 0)) {
			missing += l.Count
		}
		if len(reported) > 0 && missing != uint64(n-len(reported)) {
			t.Fatalf("seed %d: %d missing, want %d of %d", seed, missing, n-len(reported), n)
		}
	}
}

// TestDatagramsAgain: a connection that was given up and comes again has lost nothing before.
func TestDatagramsAgain(t *testing.T) {
	d := NewDatagrams(1)
	d.Observe(datagram(event.TX, 1, 1, 0))
	other := datagram(event.TX, 1, 1, 0)
	other.Conn.ID = 8
	d.Observe(other)
	d.Observe(datagram(event.TX, 1, 9, 4))
	if lost := d.ObserveSocket(closing(11, 4)); len(lost) != 1 || lost[0].Count != 1 || d.Forgotten() != 2 {
		t.Errorf("%+v, forgotten %d", lost, d.Forgotten())
	}
}

package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// wire is one direction of a connection as the kernel would run it: it seals,
// hides, samples, rekeys, and drops events on their way to the Ledger.
type wire struct {
	rng    *rand.Rand
	ledger *Ledger
	id     uint64
	dir    event.Dir

	gen    uint32
	next   uint64
	hidden uint64

	// every is N of --sample, skipped what no record stands for yet.
	every, skipped uint64

	sealed, seen, lost uint64
	filtered, sampled  uint64
	weight             uint64
}

// seal makes one record, which may be hidden by a filter or dropped on its way.
func (w *wire) seal() {
	r := &event.Record{Conn: event.Conn{ID: w.id}, Dir: w.dir, Gen: w.gen, Seq: w.next}
	w.next++
	w.sealed++
	switch {
	case w.rng.IntN(5) == 0:
		w.hidden++
		w.filtered++
		return
	case w.skipped+1 < w.every && w.rng.IntN(8) != 0: // else it is a slow one
		w.hidden++
		w.sampled++
		w.skipped++
		return
	case w.rng.IntN(4) == 0: // no room in the ring
		return
	}
	r.Hidden = w.hidden
	if w.skipped+1 >= w.every {
		r.Skipped, w.skipped = w.skipped, 0
	}
	w.weight += r.Weight()
	w.seen++
	if v := w.ledger.Observe(r); v != nil {
		w.lost += v.Count
	}
}

// rekey changes the key just after a record arrived, since a loss at the tail of
// a generation that is over cannot be seen.
func (w *wire) rekey() {
	r := &event.Record{Conn: event.Conn{ID: w.id}, Dir: w.dir, Gen: w.gen, Seq: w.next, Hidden: w.hidden}
	w.sealed, w.seen, w.weight = w.sealed+1, w.seen+1, w.weight+1
	if v := w.ledger.Observe(r); v != nil {
		w.lost += v.Count
	}
	w.gen, w.next = w.gen+1, 0
	w.ledger.ObserveSocket(w.socket(event.SocketRekey))
}

func (w *wire) socket(state event.SocketState) *event.Socket {
	s := &event.Socket{State: state, Conn: event.Conn{ID: w.id}, Dir: w.dir}
	s.Hidden[w.dir] = w.hidden
	if w.dir == event.TX {
		s.NextTX, s.GenTX = w.next, w.gen
	} else {
		s.NextRX, s.GenRX = w.next, w.gen
	}
	return s
}

// TestLedgerAccountsForEverything drops events at random and checks that what
// was seen, what was hidden and what the Ledger calls lost make up what was
// sealed, for each connection and direction, and that weights count what was
// sampled out.
func TestLedgerAccountsForEverything(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := NewLedger(0)
		wires := make([]*wire, 8)
		for i := range wires {
			wires[i] = &wire{rng: rng, ledger: l, id: uint64(i/2) + 1, dir: event.Dir(i % 2), every: []uint64{1, 3, 10, 1000}[seed%4]}
			l.ObserveSocket(wires[i].socket(event.SocketOpen))
		}
		for range 500 {
			w := wires[rng.IntN(len(wires))]
			if rng.IntN(50) == 0 {
				w.rekey()
			} else {
				w.seal()
			}
		}
		closeAll(l, wires)
		for i, w := range wires {
			if w.seen+w.hidden+w.lost != w.sealed {
				t.Fatalf("seed %d, wire %d: seen %d + hidden %d + lost %d, but sealed %d",
					seed, i, w.seen, w.hidden, w.lost, w.sealed)
			}
			if w.weight+w.skipped+w.filtered+w.lost != w.sealed || w.seen+w.sampled != w.weight+w.skipped {
				t.Fatalf("seed %d, wire %d: %+v", seed, i, w)
			}
		}
		if l.Duplicates() != 0 {
			t.Fatalf("seed %d: %d duplicates", seed, l.Duplicates())
		}
	}
}

// closeAll ends the connections, two wires each, and shares out the tail losses.
func closeAll(l *Ledger, wires []*wire) {
	for i := 0; i < len(wires); i += 2 {
		tx, rx := wires[i], wires[i+1]
		s := tx.socket(event.SocketClose)
		s.NextRX, s.GenRX, s.Hidden[event.RX] = rx.next, rx.gen, rx.hidden
		for _, v := range l.ObserveSocket(s) {
			wires[i+int(v.Dir)].lost += v.Count
		}
	}
}

package flow

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// step is one event given to a Ledger, and what must come of it.
type step struct {
	ev   event.Event
	want []event.Lost
}

func rec(d event.Dir, gen uint32, seq, hidden uint64) *event.Record {
	return &event.Record{Conn: event.Conn{ID: 7}, Dir: d, Gen: gen, Seq: seq, Hidden: hidden}
}

func sock(state event.SocketState, edit func(*event.Socket)) *event.Socket {
	s := &event.Socket{State: state, Conn: event.Conn{ID: 7}}
	s.TX.Mode, s.RX.Mode = event.ModeSW, event.ModeSW
	if edit != nil {
		edit(s)
	}
	return s
}

func gap(d event.Dir, count, first, last uint64) []event.Lost {
	return []event.Lost{{Cause: "gap", Count: count, Conn: &event.Conn{ID: 7}, Dir: d, First: first, Last: last}}
}

func feed(l *Ledger, ev event.Event) (lost []event.Lost) {
	switch ev := ev.(type) {
	case *event.Record:
		if v := l.Observe(ev); v != nil {
			lost = append(lost, *v)
		}
	case *event.Socket:
		for _, v := range l.ObserveSocket(ev) {
			lost = append(lost, *v)
		}
	}
	return lost
}

func TestLedger(t *testing.T) {
	tx, rx := event.TX, event.RX
	for _, c := range []struct {
		name       string
		steps      []step
		duplicates uint64
	}{
		{name: "contiguous from nowhere", steps: []step{
			{rec(tx, 0, 41, 0), nil}, {rec(tx, 0, 42, 0), nil}, {rec(tx, 0, 43, 0), nil},
		}},
		{name: "a gap in the middle", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(tx, 0, 4, 0), gap(tx, 3, 1, 3)}, {rec(tx, 0, 5, 0), nil},
		}},
		{name: "directions are apart", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(rx, 0, 9, 0), nil}, {rec(tx, 0, 1, 0), nil},
			{rec(rx, 0, 11, 0), gap(rx, 1, 10, 10)},
		}},
		{name: "duplicate and late", duplicates: 2, steps: []step{
			{rec(tx, 0, 5, 0), nil}, {rec(tx, 0, 5, 0), nil}, {rec(tx, 0, 3, 0), nil}, {rec(tx, 0, 6, 0), nil},
		}},
		{name: "hidden explains the step", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(tx, 0, 4, 3), nil}, {rec(tx, 0, 5, 3), nil},
		}},
		{name: "hidden explains part of the step", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(tx, 0, 9, 6), gap(tx, 2, 1, 8)}, {rec(tx, 0, 10, 6), nil},
		}},
		{name: "hidden counted before its turn", steps: []step{
			{rec(tx, 0, 0, 1), nil}, {rec(tx, 0, 1, 2), nil}, {rec(tx, 0, 3, 2), nil},
			{rec(tx, 0, 5, 2), gap(tx, 1, 4, 4)},
		}},
		{name: "open sets the start", steps: []step{
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir, s.NextTX = tx, 1 }), nil},
			{rec(tx, 0, 3, 0), gap(tx, 2, 1, 2)},
			{rec(rx, 0, 8, 0), nil},
		}},
		{name: "open of one direction leaves the other", steps: []step{
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir = tx }), nil},
			{rec(tx, 0, 0, 0), nil},
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir, s.NextRX = rx, 2 }), nil},
			{rec(tx, 0, 1, 0), nil},
			{rec(rx, 0, 2, 0), nil},
		}},
		{name: "found sets both starts", steps: []step{
			{sock(event.SocketFound, func(s *event.Socket) { s.NextTX, s.NextRX = 100, 200 }), nil},
			{rec(tx, 0, 100, 0), nil},
			{rec(rx, 0, 202, 0), gap(rx, 2, 200, 201)},
		}},
		{name: "found with one direction only", steps: []step{
			{sock(event.SocketFound, func(s *event.Socket) { s.NextTX, s.RX.Mode = 100, event.ModeNone }), nil},
			{rec(rx, 0, 5, 0), nil},
		}},
		{name: "found after the first record", steps: []step{
			{rec(tx, 0, 6, 0), nil},
			{sock(event.SocketFound, func(s *event.Socket) { s.NextTX = 5 }), nil},
			{rec(tx, 0, 7, 0), nil},
		}},
		{name: "found runs ahead of a record on its way", steps: []step{
			{sock(event.SocketFound, func(s *event.Socket) { s.NextTX = 7 }), nil},
			{rec(tx, 0, 5, 0), nil}, {rec(tx, 0, 6, 0), nil}, {rec(tx, 0, 7, 0), nil},
		}},
		{name: "found with hidden", steps: []step{
			{sock(event.SocketFound, func(s *event.Socket) { s.NextTX, s.Hidden[0] = 7, 2 }), nil},
			{rec(tx, 0, 8, 3), nil},
		}},
		{name: "rekey starts a generation", steps: []step{
			{rec(tx, 0, 50, 0), nil},
			{sock(event.SocketRekey, func(s *event.Socket) { s.Dir, s.GenTX = tx, 1 }), nil},
			{rec(tx, 1, 2, 0), gap(tx, 2, 0, 1)},
			{rec(tx, 1, 3, 0), nil},
		}},
		{name: "rekey with another start", steps: []step{
			{rec(rx, 0, 50, 0), nil},
			{sock(event.SocketRekey, func(s *event.Socket) { s.Dir, s.GenRX, s.NextRX = rx, 1, 9 }), nil},
			{rec(rx, 1, 9, 0), nil},
		}},
		{name: "rekey of one direction leaves the other", steps: []step{
			{rec(tx, 0, 50, 0), nil}, {rec(rx, 0, 60, 0), nil},
			{sock(event.SocketRekey, func(s *event.Socket) { s.Dir, s.GenTX = tx, 1 }), nil},
			{rec(rx, 0, 61, 0), nil}, {rec(tx, 1, 0, 0), nil},
		}},
		{name: "rekey reported after its first record", steps: []step{
			{rec(tx, 0, 50, 0), nil}, {rec(tx, 1, 0, 0), nil}, {rec(tx, 1, 1, 0), nil},
			{sock(event.SocketRekey, func(s *event.Socket) { s.Dir, s.GenTX = tx, 1 }), nil},
			{rec(tx, 1, 2, 0), nil},
		}},
		{name: "rekey hides the filters' part of the old tail", steps: []step{
			{rec(tx, 0, 50, 0), nil},
			{sock(event.SocketRekey, func(s *event.Socket) { s.Dir, s.GenTX, s.Hidden[0] = tx, 1, 4 }), nil},
			{rec(tx, 1, 3, 4), gap(tx, 3, 0, 2)},
		}},
		{name: "unannounced generation starts at 0", steps: []step{
			{rec(tx, 0, 50, 0), nil}, {rec(tx, 1, 2, 0), gap(tx, 2, 0, 1)}, {rec(tx, 1, 3, 0), nil},
		}},
		{name: "unannounced generation with hidden is lenient", steps: []step{
			{rec(tx, 0, 50, 0), nil}, {rec(tx, 1, 2, 9), nil}, {rec(tx, 1, 4, 9), gap(tx, 1, 3, 3)},
		}},
		{name: "record of an old generation", duplicates: 1, steps: []step{
			{rec(tx, 1, 0, 0), nil}, {rec(tx, 0, 51, 0), nil}, {rec(tx, 1, 1, 0), nil},
		}},
		{name: "close finds the tail", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(rx, 0, 0, 0), nil},
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX, s.NextRX = 4, 1 }), gap(tx, 3, 1, 3)},
		}},
		{name: "what a network card seals is reported like the rest", steps: []step{
			{sock(event.SocketFound, func(s *event.Socket) { s.TX.Mode, s.NextTX = event.ModeHW, 5 }), nil},
			{rec(tx, 0, 5, 0), nil},
			{sock(event.SocketCard, func(s *event.Socket) { s.TX.Mode, s.NextTX = event.ModeSW, 8 }), nil},
			{rec(tx, 0, 7, 0), gap(tx, 1, 6, 6)},
			{sock(event.SocketClose, func(s *event.Socket) { s.TX.Mode, s.NextTX = event.ModeHW, 9 }), gap(tx, 1, 8, 8)},
		}},
		{name: "close finds both tails", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(rx, 0, 0, 0), nil},
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX, s.NextRX = 2, 2 }),
				append(gap(tx, 1, 1, 1), gap(rx, 1, 1, 1)...)},
		}},
		{name: "close takes hidden into account", steps: []step{
			{rec(tx, 0, 0, 0), nil}, {rec(rx, 0, 0, 0), nil},
			{sock(event.SocketClose, func(s *event.Socket) {
				s.NextTX, s.NextRX, s.Hidden = 4, 3, [2]uint64{3, 1}
			}), gap(rx, 1, 1, 2)},
		}},
		{name: "close of a connection without records", steps: []step{
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir = tx }), nil},
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX, s.NextRX = 2, 8 }), gap(tx, 2, 0, 1)},
		}},
		{name: "close of an unknown connection", steps: []step{
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX = 5 }), nil},
		}},
		{name: "close under a newer key", steps: []step{
			{rec(tx, 0, 50, 0), nil},
			{sock(event.SocketClose, func(s *event.Socket) { s.GenTX, s.NextTX = 1, 3 }), gap(tx, 3, 0, 2)},
		}},
		{name: "close that no longer knows the sequence", steps: []step{
			{rec(tx, 0, 50, 0), nil},
			{sock(event.SocketClose, nil), nil},
		}},
		{name: "close forgets", steps: []step{
			{rec(tx, 0, 0, 0), nil},
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX = 1 }), nil},
			{rec(tx, 0, 9, 0), nil},
		}},
		{name: "largest gap", steps: []step{
			{rec(tx, 0, 0, 0), nil},
			{rec(tx, 0, 1<<63, 0), gap(tx, 1<<63-1, 1, 1<<63-1)},
		}},
		{name: "the sequence wraps", steps: []step{
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir, s.NextTX = tx, 1<<64-2 }), nil},
			{rec(tx, 0, 1<<64-2, 0), nil}, {rec(tx, 0, 1<<64-1, 0), nil}, {rec(tx, 0, 0, 0), nil},
			{rec(tx, 0, 2, 0), gap(tx, 1, 1, 1)},
			{sock(event.SocketClose, func(s *event.Socket) { s.NextTX = 3 }), nil},
		}},
		{name: "a gap across the wrap", steps: []step{
			{rec(tx, 0, 1<<64-3, 0), nil},
			{rec(tx, 0, 2, 1), gap(tx, 3, 1<<64-2, 1)},
		}},
		{name: "late by the wrap", duplicates: 1, steps: []step{
			{rec(tx, 0, 1<<64-1, 0), nil}, {rec(tx, 0, 0, 0), nil}, {rec(tx, 0, 1<<64-1, 0), nil}, {rec(tx, 0, 1, 0), nil},
		}},
		{name: "close after the wrap", steps: []step{
			{rec(tx, 0, 1<<64-1, 0), nil},
			{sock(event.SocketClose, nil), nil},
		}},
		{name: "close finds the last sequence missing", steps: []step{
			{sock(event.SocketOpen, func(s *event.Socket) { s.Dir, s.NextTX = tx, 1<<64-1 }), nil},
			{sock(event.SocketClose, nil), gap(tx, 1, 1<<64-1, 1<<64-1)},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLedger(0)
			for i, s := range c.steps {
				if diff := cmp.Diff(s.want, feed(l, s.ev), cmp.Comparer(sameConn)); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
			if l.Duplicates() != c.duplicates {
				t.Errorf("%d duplicates, want %d", l.Duplicates(), c.duplicates)
			}
		})
	}
}

// sameConn keeps cmp away from netip's unexported fields.
func sameConn(a, b event.Conn) bool { return a == b }

func TestLostCopiesTheConnection(t *testing.T) {
	l := NewLedger(0)
	r := rec(event.TX, 0, 0, 0)
	l.Observe(r)
	r.Seq = 9
	lost := l.Observe(r)
	r.Conn.ID = 99 // the reader reuses its record
	if lost.Conn.ID != 7 {
		t.Error("the loss changed with the record")
	}
}

func BenchmarkLedger(b *testing.B) {
	l := NewLedger(0)
	r := rec(event.TX, 0, 0, 0)
	b.ReportAllocs()
	for i := range b.N {
		r.Conn.ID, r.Seq = uint64(i%1024)+1, uint64(i/1024)
		if l.Observe(r) != nil {
			b.Fatal("a gap where there is none")
		}
	}
}

// TestLedgerKnowsTheStartFromARecord: the socket's event was lost, and so were
// the first records.
func TestLedgerKnowsTheStartFromARecord(t *testing.T) {
	l := NewLedger(0)
	lost := l.Observe(&event.Record{Conn: event.Conn{ID: 7}, Seq: 22, Start: 1, HasStart: true, Hidden: 3})
	if lost == nil || lost.Count != 18 {
		t.Errorf("lost %+v, want 18: records 1 to 21 but for 3 that the filters hid", lost)
	}
	if lost := l.Observe(&event.Record{Conn: event.Conn{ID: 7}, Seq: 23, Start: 1, HasStart: true, Hidden: 3}); lost != nil {
		t.Errorf("lost %+v behind it", lost)
	}
}

// TestLedgerCountsASocketOfWhichNothingArrived at the end of the run.
func TestLedgerCountsASocketOfWhichNothingArrived(t *testing.T) {
	l := NewLedger(0)
	lost := l.ObserveSocket(&event.Socket{State: event.SocketClose, Conn: event.Conn{ID: 7},
		NextTX: 10, NextRX: 5, Start: &[2]uint64{1, 5}})
	if len(lost) != 1 || lost[0].Count != 9 || lost[0].Dir != event.TX {
		t.Errorf("lost %+v, want 9 sent", lost)
	}
}

// A record that failed after the kernel had counted it is no gap.
func TestLedgerTakenByAnError(t *testing.T) {
	l := NewLedger(0)
	conn := event.Conn{ID: 1}
	l.Observe(&event.Record{Conn: conn, Dir: event.RX, Seq: 0})
	for _, e := range []*event.Error{
		{Conn: conn, Dir: event.RX, Seq: 1, Consumed: true},
		{Conn: conn, Dir: event.RX, Seq: 2}, // not counted by the kernel
	} {
		if lost := l.ObserveError(e); lost != nil {
			t.Errorf("%+v: %+v", e, lost)
		}
	}
	if lost := l.Observe(&event.Record{Conn: conn, Dir: event.RX, Seq: 3}); lost == nil || lost.First != 2 || lost.Last != 2 {
		t.Errorf("lost %+v, want sequence 2", lost)
	}
}

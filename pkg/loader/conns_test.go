package loader

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// connState is what a test wants in a struct conn.
type connState struct {
	tx, rx           wireEvent
	txState, rxState byte
	keyed            [2]byte
	skipped          [2]uint32
}

func (s *connState) encode(size int) []byte {
	b := make([]byte, size)
	copy(b, s.tx.encode())
	copy(b[connRX:], s.rx.encode())
	b[connTXState], b[connRXState] = s.txState, s.rxState
	copy(b[connKeyed:], s.keyed[:])
	for d, n := range s.skipped {
		binary.NativeEndian.PutUint32(b[connSampled+d*sampledSize+sampledSkipped:], n)
	}
	return b
}

func TestConnSocket(t *testing.T) {
	_, size := btfFields(t, object(t), "conn")
	rec := func(seq, sealed uint64) wireEvent {
		return wireEvent{Kind: kindRecord, Seq: seq, Stamp: [4]uint64{1, 2, sealed, 0}, Conn: 7, PID: 40, Mode: 1, Gen: 3, Hidden: 6}
	}
	both := [2]byte{1, 1}
	idle := wireEvent{Conn: 7}
	for _, c := range []struct {
		name           string
		state          connState
		nextTX, nextRX uint64
		modes          [2]event.Mode
	}{
		{"no record yet", connState{tx: idle, rx: idle, keyed: both}, 0, 0, [2]event.Mode{}},
		{"records each way", connState{tx: rec(4, 5), rx: rec(9, 5), keyed: both}, 5, 10, [2]event.Mode{1, 1}},
		{"sealing has begun", connState{tx: rec(4, 0), rx: rec(9, 5), txState: txSealing, keyed: both}, 4, 10, [2]event.Mode{1, 1}},
		{"sealed, not handed over", connState{tx: rec(4, 5), rx: rec(9, 5), txState: txSealing, keyed: both}, 5, 10, [2]event.Mode{1, 1}},
		{"sealed, nobody looked when", connState{tx: rec(4, 1), rx: rec(9, 1), txState: txSealing, keyed: both}, 5, 10, [2]event.Mode{1, 1}},
		{"being opened", connState{tx: rec(4, 5), rx: rec(9, 0), rxState: rxOpening, keyed: both}, 5, 9, [2]event.Mode{1, 1}},
		{"opened, call goes on", connState{tx: rec(4, 5), rx: rec(9, 5), rxState: rxOpened, keyed: both}, 5, 10, [2]event.Mode{1, 1}},
		{"being opened, not the first", connState{tx: rec(4, 5), rx: rec(9, 0), rxState: 5<<2 | rxOpening, keyed: both}, 5, 9, [2]event.Mode{1, 1}},
		{"did not open", connState{tx: rec(4, 5), rx: rec(9, 0), keyed: both}, 5, 9, [2]event.Mode{1, 1}},
		{"only tx has a key", connState{tx: rec(4, 5), rx: rec(0, 5), keyed: [2]byte{1, 0}}, 5, 1, [2]event.Mode{1, 0}},
		{"only rx has a key", connState{tx: rec(0, 0), rx: rec(9, 5), keyed: [2]byte{0, 1}}, 1, 10, [2]event.Mode{0, 1}},
	} {
		b := c.state.encode(size)
		var tx, rx wireEvent
		if err := tx.decode(b); err != nil {
			t.Fatal(err)
		}
		if err := rx.decode(b[connRX:]); err != nil {
			t.Fatal(err)
		}
		s := connSocket(&tx, &rx, b)
		if s.State != event.SocketFound || s.Conn.ID != 7 || s.Mono == 0 {
			t.Errorf("%s: %+v", c.name, s)
		}
		if s.NextTX != c.nextTX || s.NextRX != c.nextRX {
			t.Errorf("%s: next are %d and %d, want %d and %d", c.name, s.NextTX, s.NextRX, c.nextTX, c.nextRX)
		}
		if got := [2]event.Mode{s.TX.Mode, s.RX.Mode}; got != c.modes {
			t.Errorf("%s: modes are %v, want %v", c.name, got, c.modes)
		}
		if s.GenTX != tx.Gen || s.GenRX != rx.Gen || s.Hidden != [2]uint64{tx.Hidden, rx.Hidden} || s.Proc.PID != tx.PID {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// What sampling left out of an open connection, and no record stands for.
func TestConnSocketSkipped(t *testing.T) {
	_, size := btfFields(t, object(t), "conn")
	s := connState{tx: wireEvent{Conn: 7}, rx: wireEvent{Conn: 7}, skipped: [2]uint32{3, 1<<32 - 1}}
	if got := connSocket(&s.tx, &s.rx, s.encode(size)).Skipped; got != [2]uint64{3, 1<<32 - 1} {
		t.Errorf("skipped are %v", got)
	}
}

// A socket that only receives shows who receives.
func TestConnSocketReader(t *testing.T) {
	tx, rx := wireEvent{Conn: 7}, wireEvent{Conn: 7, Kind: kindRecord, PID: 41}
	c := make([]byte, connSampled+2*sampledSize)
	if s := connSocket(&tx, &rx, c); s.Proc.PID != 41 {
		t.Errorf("the process is %d, want 41", s.Proc.PID)
	}
}

// atTheEnd is a backend whose hooks are gone.
type atTheEnd struct {
	backend
	maps map[string][][]byte
}

func (b *atTheEnd) each(name string, visit func([]byte) error) error {
	for _, v := range b.maps[name] {
		if err := visit(v); err != nil {
			return err
		}
	}
	return nil
}

// What was set aside knows how many records were hidden at that time only; the
// connection knows how many are by now. It is told even where no connection is
// left, unless the filters hide it.
func TestUnfinished(t *testing.T) {
	rec := func(conn, seq, hidden uint64, dir event.Dir, flags uint8) wireEvent {
		return wireEvent{Kind: kindRecord, Conn: conn, Dir: uint8(dir), Seq: seq, Hidden: hidden, Flags: flags, Skipped: 9,
			Stamp: [4]uint64{1, 2, 3, 4}}
	}
	var b atTheEnd
	aside, alone, hides := rec(7, 3, 1, event.TX, 0), rec(8, 5, 2, event.TX, 0), rec(7, 4, 1, event.TX, flagHidden)
	c := connState{tx: rec(7, 6, 4, event.TX, 0), rx: rec(7, 2, 0, event.RX, 0), txState: txSealing, rxState: rxOpened}
	_, size := btfFields(t, object(t), "conn")
	b.maps = map[string][][]byte{"pending": {alone.encode(), aside.encode(), hides.encode()}, "conns": {c.encode(size)}}
	type told struct {
		conn, seq, hidden, skipped uint64
		dir                        event.Dir
	}
	var got []told
	tr := &Tracer{backend: &b, asm: newAssembler(nil)}
	err := tr.unfinished(func(e event.Event) error {
		r := e.(*event.Record)
		got = append(got, told{r.Conn.ID, r.Seq, r.Hidden, r.Skipped, r.Dir})
		return nil
	})
	want := []told{{7, 3, 4, 0, event.TX}, {7, 6, 4, 0, event.TX}, {7, 2, 0, 0, event.RX}, {8, 5, 2, 0, event.TX}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, told %+v, want %+v", err, got, want)
	}
}

func TestSealed(t *testing.T) {
	for _, c := range []struct {
		state  byte
		sealed uint64
		want   bool
	}{{0, 0, false}, {0, 5, false}, {txSealing, 0, false}, {txSealing, 5, true}} {
		s := connState{tx: wireEvent{Stamp: [4]uint64{1, 1, c.sealed, 1}}, txState: c.state}
		if got := sealed(s.encode(connSampled + 2*sampledSize)); got != c.want {
			t.Errorf("state %d, sealed at %d: %v", c.state, c.sealed, got)
		}
	}
}

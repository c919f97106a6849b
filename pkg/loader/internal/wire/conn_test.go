package wire

import (
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// connState is what a test wants in a struct conn.
type connState struct {
	tx, rx  Event
	txState uint8
	rxState uint32
	keyed   [2]uint8
	skipped [2]uint32
}

func (s *connState) conn() *Conn {
	k := object.KtlsConn{Tx: object.KtlsEvent(s.tx), Rx: object.KtlsEvent(s.rx), TxState: s.txState, RxState: s.rxState}
	k.Tx.Mode *= s.keyed[0]
	k.Rx.Mode *= s.keyed[1]
	for d, n := range s.skipped {
		k.Sampler[d].Skipped = n
	}
	return ConnOf(&k)
}

func TestConnSocket(t *testing.T) {
	rec := func(seq, sealed uint64) Event {
		return Event{Kind: KindRecord, Conn: 7, Pid: 40, Mode: 1, Gen: 3, Rec: Rec{Seq: seq, Stamp: [4]uint64{1, 2, sealed, 0}, Hidden: 6}}
	}
	rekeyed := func(start uint64) Event { // no record under the new key yet
		w := rec(start-1, 5)
		w.Rec.Start = start
		return w
	}
	refused := rekeyed(0)
	refused.Rec.Stamp[2] = 0
	both := [2]byte{1, 1}
	idle := Event{Conn: 7}
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
		{"new keys", connState{tx: rekeyed(0), rx: rekeyed(70), keyed: both}, 0, 70, [2]event.Mode{1, 1}},
		{"new keys, the last record did not open", connState{tx: rekeyed(70), rx: refused, keyed: both}, 70, 0, [2]event.Mode{1, 1}},
		{"only tx has a key", connState{tx: rec(4, 5), rx: rec(0, 5), keyed: [2]byte{1, 0}}, 5, 1, [2]event.Mode{1, 0}},
		{"only rx has a key", connState{tx: rec(0, 0), rx: rec(9, 5), keyed: [2]byte{0, 1}}, 1, 10, [2]event.Mode{0, 1}},
	} {
		s := c.state.conn().Socket(5)
		tx, rx := c.state.tx, c.state.rx
		if s.State != event.SocketFound || s.Conn.ID != 7 || s.Mono != 5 {
			t.Errorf("%s: %+v", c.name, s)
		}
		if s.NextTX != c.nextTX || s.NextRX != c.nextRX {
			t.Errorf("%s: next are %d and %d, want %d and %d", c.name, s.NextTX, s.NextRX, c.nextTX, c.nextRX)
		}
		if got := [2]event.Mode{s.TX.Mode, s.RX.Mode}; got != c.modes {
			t.Errorf("%s: modes are %v, want %v", c.name, got, c.modes)
		}
		if s.GenTX != tx.Gen || s.GenRX != rx.Gen || s.Hidden != [2]uint64{tx.Rec.Hidden, rx.Rec.Hidden} || s.Proc.PID != tx.Pid {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// What sampling left out of an open connection, and no record stands for.
func TestConnSocketSkipped(t *testing.T) {
	s := connState{tx: Event{Conn: 7}, rx: Event{Conn: 7}, skipped: [2]uint32{3, 1<<32 - 1}}
	if got := s.conn().Socket(0).Skipped; got != [2]uint64{3, 1<<32 - 1} {
		t.Errorf("skipped are %v", got)
	}
}

// A socket that only receives shows who receives.
func TestConnSocketReader(t *testing.T) {
	c := connState{tx: Event{Conn: 7}, rx: Event{Conn: 7, Kind: KindRecord, Pid: 41}}
	if s := c.conn().Socket(0); s.Proc.PID != 41 {
		t.Errorf("the process is %d, want 41", s.Proc.PID)
	}
}

func TestSealed(t *testing.T) {
	for _, c := range []struct {
		state  uint8
		sealed uint64
		want   bool
	}{{0, 0, false}, {0, 5, false}, {txSealing, 0, false}, {txSealing, 5, true}} {
		s := connState{tx: Event{Rec: Rec{Stamp: [4]uint64{1, 1, c.sealed, 1}}}, txState: c.state}
		if got := s.conn().Sealed(); got != c.want {
			t.Errorf("state %d, sealed at %d: %v", c.state, c.sealed, got)
		}
	}
}

// Connections of both objects say the same by the same names.
func TestConnOfBoth(t *testing.T) {
	tx, rx := Event{Conn: 7, Mode: 1, Rec: Rec{Seq: 4, Stamp: [4]uint64{1, 2, 3, 0}}}, Event{Conn: 7, Rec: Rec{Seq: 9}}
	a := ConnOf(&object.KtlsConn{Tx: object.KtlsEvent(tx), Rx: object.KtlsEvent(rx), TxState: txSealing, RxState: 5<<2 | 2})
	k := object.KprobeConn{TxState: txSealing, RxState: 5<<2 | 2, Keyed: [2]uint8{1, 0}}
	*(*Event)(unsafe.Pointer(&k.Tx)), *(*Event)(unsafe.Pointer(&k.Rx)) = tx, rx
	if b := ConnOfKprobe(&k); *a != *b || !b.Sealed() || !b.Opened() {
		t.Errorf("%+v\n%+v", a, b)
	}
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&k)), unsafe.Sizeof(k))
	if read, err := Read[object.KprobeConn](raw); err != nil || *read != k {
		t.Errorf("%v: %+v", err, read)
	}
	if _, err := Read[object.KprobeConn](raw[1:]); err == nil {
		t.Error("a connection cut by a byte is none")
	}
}

package wire

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func TestStatsSample(t *testing.T) {
	w := Sums{Conn: 7, Cookie: 8, Netns: 9, Lport: 443, Rport: 5, Family: uint8(event.FamilyINET), Closed: 1}
	w.Laddr[0], w.Raddr[3] = 10, 1
	tx, rx := w.side(event.TX), w.side(event.RX)
	*tx = side{Records: 3, Bytes: 300, Mono: 50, Next: 4, Gen: 2, Pid: 40, Comm: event.MakeComm("old"), Version: 0x304, Cipher: 51, Mode: 1}
	*rx = side{Records: 1, Bytes: 9, Zerocopy: 1, Mono: 60, Next: 1, Pid: 41, Comm: event.MakeComm("new"), Flags: FlagKthread}
	tx.Log2[3][10], tx.Sum[3], tx.Max[3] = 3, 4000, 1900
	var s event.Sample
	w.Sample(&s)
	if !s.Final || s.Conn.ID != 7 || s.Conn.Cookie != 8 || s.Conn.LAddr.String() != "10.0.0.0" || s.Conn.RAddr.String() != "0.0.0.1" {
		t.Errorf("%+v", s.Conn)
	}
	if s.Proc.Name() != "kernel:new" || s.Mono != 60 || s.Gen != [2]uint32{2, 0} || s.Next != [2]uint64{4, 1} {
		t.Errorf("%+v, at %d, keys %v, next %v", s.Proc, s.Mono, s.Gen, s.Next)
	}
	want := event.Totals{Records: [2]uint64{3, 1}, Bytes: [2]uint64{300, 9}}
	if s.Totals != want || s.TLS[0].ZeroCopy || !s.TLS[1].ZeroCopy || s.TLS[0].Version != 0x304 {
		t.Errorf("%+v, %+v", s.Totals, s.TLS)
	}
	if h := s.Lat[0][3]; h.N[10] != 3 || h.Sum != 4000 || h.Max != 1900 {
		t.Errorf("%+v", h)
	}
}

// What was in progress when the hooks went away is counted, without times.
func TestStatsAddUnfinished(t *testing.T) {
	var w Sums
	e := Event{Kind: KindRecord, Conn: 1, Pid: 10, Tid: 10, Rec: Rec{Seq: 12, Len: 100, Op: uint8(event.OpSend), Stamp: [4]uint64{1, 2, 3, 4}}}
	w.Add(&e)
	w.Add(&e)
	s := w.Side[event.TX]
	if w.Conn != e.Conn || s.Records != 2 || s.Bytes != 2*uint64(e.Rec.Len) || s.Next != 13 || s.Pid != e.Pid || s.Sum != [4]uint64{} {
		t.Errorf("%+v of connection %d", s, w.Conn)
	}
}

// No allocation for a connection.
func TestStatsSampleDoesNotAllocate(t *testing.T) {
	w := &Sums{Conn: 7, Family: uint8(event.FamilyINET6)}
	var s event.Sample
	if n := testing.AllocsPerRun(100, func() { w.Sample(&s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

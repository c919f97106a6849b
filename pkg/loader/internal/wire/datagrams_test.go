package wire

import (
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// datagramsOf is a connection as the programs keep it.
func datagramsOf(alive uint64) *object.DtlsDtlsConn {
	c := &object.DtlsDtlsConn{Alive: alive, Next: 9, Reported: 1, Keyed: [2]uint8{1, 0}}
	tx := Event{Layout: Layout, Proto: ProtoDTLS, Conn: 7, Version: 0xfefd, Cipher: 51, Mode: 1, Gen: 2, Pid: 40, Rec: Rec{Start: 3, Hidden: 4}}
	*(*Event)(unsafe.Pointer(&c.Tx)) = tx
	tx.Dir, tx.Gen, tx.Rec.Hidden = 1, 1, 5
	*(*Event)(unsafe.Pointer(&c.Rx)) = tx
	return c
}

func bytesOf(c *object.DtlsDtlsConn) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c))
}

func TestDatagrams(t *testing.T) {
	c, err := ReadDatagrams(bytesOf(datagramsOf(7)))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Socket(5)
	if s.State != event.SocketFound || s.Conn.ID != 7 || s.NextTX != 9 || s.NextRX != 0 || s.GenTX != 2 || s.GenRX != 1 ||
		s.Hidden != [2]uint64{4, 5} || *s.Start != [2]uint64{3, 0} || s.TX.Version != event.DTLS12 || s.RX != (event.TLS{}) || s.Proc.PID != 40 {
		t.Errorf("%+v", s)
	}
	if c, err := ReadDatagrams(bytesOf(datagramsOf(0))); c != nil || err != nil {
		t.Errorf("a connection that has ended is %+v, %v", c, err)
	}
	if _, err := ReadDatagrams(bytesOf(datagramsOf(7))[1:]); err == nil {
		t.Error("a connection cut by a byte is none")
	}
}

// What was dropped without a report is counted once, by reason, of connections that are wanted.
func TestUnreportedDrops(t *testing.T) {
	raw := datagramsOf(7)
	raw.Dropped[event.DropReplay].Unreported = 3
	raw.Dropped[event.DropReplay].Seq = 77
	raw.Dropped[event.DropReplay].Epoch = 1
	raw.Dropped[event.DropReplay].Type = 23
	raw.Dropped[event.DropFull].Unreported = 1
	c, _ := ReadDatagrams(bytesOf(raw))
	all := c.UnreportedDrops(6)
	if len(all) != 2 || all[0].Reason != event.DropReplay || all[0].Count != 3 || all[0].Seq != 77 || all[0].Epoch != 1 ||
		all[0].Type != event.ApplicationData || all[0].Mono != 6 || all[1].Reason != event.DropFull || all[1].Count != 1 {
		t.Errorf("%+v", all)
	}
	raw.Reported = 0
	if c, _ := ReadDatagrams(bytesOf(raw)); len(c.UnreportedDrops(6)) != 0 {
		t.Error("something is reported of a connection that is not wanted")
	}
}

func TestDrop(t *testing.T) {
	w := Event{Kind: KindDrop, Conn: 7, Type: 23, Epoch: 2, DatagramOrUser: 60, Pid: 40, Version: 0xfefd, Mode: 1}
	*(*object.DtlsDrop)(unsafe.Pointer(&w.Rec)) = object.DtlsDrop{Time: 5, Seq: 9, Count: 4, Len: 10, Reason: uint8(event.DropBadTag)}
	want := event.Drop{Mono: 5, Epoch: 2, Seq: 9, Type: event.ApplicationData, Len: 10, Datagram: 60, Reason: event.DropBadTag, Count: 4}
	got := *w.Drop()
	if got.Conn.ID != 7 || got.Proc.PID != 40 || got.TLS.Version != event.DTLS12 {
		t.Errorf("%+v", got)
	}
	got.Conn, got.Proc, got.TLS = event.Conn{}, event.Process{}, event.TLS{}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

package wire

import (
	"fmt"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Conn is what the programs know of a connection, whichever object they are of.
type Conn struct {
	// TX is the last record that was sealed, or the one that is being sealed, RX
	// the last that was opened, or the one that is being opened.
	TX, RX  Event
	sealing bool      // TX is not handed to TCP
	state   uint32    // of RX
	keyed   [2]bool   // this direction has had a key
	skipped [2]uint32 // left out by sampling, and no record stands for it
}

// Values of enum tx_state and rx_state.
const (
	txSealing = 1
	rxOpening = 1
	rxOpened  = 2
	rxStates  = 3 // of the word; the rest is a ticket
)

// ConnOf is what a connection of bpf/ktls_conn.h says.
func ConnOf(k *object.KtlsConn) *Conn {
	return &Conn{TX: Event(k.Tx), RX: Event(k.Rx), sealing: k.TxState == txSealing, state: k.RxState & rxStates,
		keyed: [2]bool{k.Tx.Mode != 0, k.Rx.Mode&^modeNoPad != 0}, skipped: [2]uint32{k.Sampler[0].Skipped, k.Sampler[1].Skipped}}
}

// ConnOfKprobe is what a connection of bpf/gobpf/state.h says.
func ConnOfKprobe(k *object.KprobeConn) *Conn {
	// Both objects have struct event of the same header.
	return &Conn{TX: *(*Event)(unsafe.Pointer(&k.Tx)), RX: *(*Event)(unsafe.Pointer(&k.Rx)),
		sealing: k.TxState == txSealing, state: k.RxState & rxStates, keyed: [2]bool{k.Keyed[0] != 0, k.Keyed[1] != 0}}
}

// Read copies one of the programs' structs from b.
func Read[T object.KtlsConn | object.KprobeConn](b []byte) (*T, error) {
	v := new(T)
	size := int(unsafe.Sizeof(*v))
	if len(b) < size {
		return nil, fmt.Errorf("connection of %d bytes, want %d: the BPF object and this program do not match", len(b), size)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), size), b)
	return v, nil
}

// Sealed says that TX has got its seal, but not TCP's word.
func (c *Conn) Sealed() bool { return c.sealing && c.TX.Rec.Stamp[2] != 0 }

// Opened says that RX is opened, and its call goes on.
func (c *Conn) Opened() bool { return c.state == rxOpened }

// Socket reports the connection at the time mono. The next sequences are right
// when the programs do not run any more.
func (c *Conn) Socket(mono uint64) *event.Socket {
	tx, rx := &c.TX, &c.RX
	s := &event.Socket{
		State: event.SocketFound, Conn: tx.conn(), Proc: tx.process(), Mono: mono,
		TX: tx.tls(tx.Mode), RX: rx.tls(rx.Mode), GenTX: tx.Gen, GenRX: rx.Gen,
		NextTX: next(tx, c.sealing && !c.Sealed()), NextRX: next(rx, c.state == rxOpening || unopened(rx)),
		Hidden: [2]uint64{tx.Rec.Hidden + unreported(tx, c.Sealed()), rx.Rec.Hidden + unreported(rx, c.Opened())},
		Start:  &[2]uint64{tx.Rec.Start, rx.Rec.Start}, Skipped: [2]uint64{uint64(c.skipped[event.TX]), uint64(c.skipped[event.RX])},
	}
	if !c.keyed[event.TX] {
		s.TX = event.TLS{}
	}
	if !c.keyed[event.RX] {
		s.RX = event.TLS{}
	}
	if s.Proc.PID == 0 {
		s.Proc = rx.process()
	}
	return s
}

// unreported is 1 for a record that the filters hide and that was finished but
// not told when the hooks went away: it is not counted as hidden yet.
func unreported(w *Event, finished bool) uint64 {
	if finished && w.Flags&FlagHidden != 0 {
		return 1
	}
	return 0
}

// unopened: the last attempt to open a record failed, and the next will be at
// the same. What asynchronous crypto opens is counted before it is.
func unopened(w *Event) bool { return w.Rec.Stamp[2] == 0 && w.Flags&FlagAsync == 0 }

// next is the sequence after that of w, unless w is still being made. w without a record
// under its key has the sequence before the key's first (begin_key of bpf/ktls_event.h).
func next(w *Event, unfinished bool) uint64 {
	if w.Rec.Seq+1 == w.Rec.Start || w.Kind == KindRecord && !unfinished {
		return w.Rec.Seq + 1
	}
	return max(w.Rec.Seq, w.Rec.Start)
}

package wire

import (
	"fmt"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// ConnSize is the size of struct conn of bpf/ktls_conn.h.
const ConnSize = int(unsafe.Sizeof(Conn{}))

// Conn is what the programs know of a connection.
type Conn object.KtlsConn

// Values of bpf/ktls_conn.h.
const (
	txSealing = 1
	rxOpening = 1
	rxOpened  = 2
	rxStates  = 3 // of Conn.RxState; the rest is a ticket
)

// Decode copies a connection from b.
func (c *Conn) Decode(b []byte) error {
	if len(b) < ConnSize {
		return fmt.Errorf("connection of %d bytes, want %d: the BPF object and this program do not match", len(b), ConnSize)
	}
	copy(c.Bytes(), b)
	return nil
}

// Bytes is c's memory, as the kernel lays it out.
func (c *Conn) Bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(c)), ConnSize) }

// TX is the last record that was sealed, or the one that is being sealed.
func (c *Conn) TX() *Event { return (*Event)(&c.Tx) }

// RX is the last record that was opened, or the one that is being opened.
func (c *Conn) RX() *Event { return (*Event)(&c.Rx) }

// Sealed says that TX has got its seal, but not TCP's word.
func (c *Conn) Sealed() bool { return c.TxState == txSealing && c.Tx.Stamp[2] != 0 }

// Opened says that RX is opened, and its call goes on.
func (c *Conn) Opened() bool { return c.rxState() == rxOpened }

func (c *Conn) rxState() uint32 { return c.RxState & rxStates }

// Socket tells of the connection at the time mono. The next sequences are right
// when the programs do not run any more.
func (c *Conn) Socket(mono uint64) *event.Socket {
	tx, rx := c.TX(), c.RX()
	s := &event.Socket{
		State: event.SocketFound, Conn: tx.conn(), Proc: tx.process(), Mono: mono,
		TX: tx.tls(tx.Mode), RX: rx.tls(rx.Mode), GenTX: tx.Gen, GenRX: rx.Gen,
		NextTX: next(tx, c.TxState == txSealing && !c.Sealed()), NextRX: next(rx, c.rxState() == rxOpening || unopened(rx)),
		Hidden: [2]uint64{tx.Hidden + unreported(tx, c.Sealed()), rx.Hidden + unreported(rx, c.Opened())},
		Start:  &[2]uint64{tx.Start, rx.Start}, Skipped: [2]uint64{uint64(c.Sampled[event.TX].Skipped), uint64(c.Sampled[event.RX].Skipped)},
	}
	if c.Keyed[event.TX] == 0 {
		s.TX = event.TLS{}
	}
	if c.Keyed[event.RX] == 0 {
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
func unopened(w *Event) bool { return w.Stamp[2] == 0 && w.Flags&FlagAsync == 0 }

// next is the sequence after that of w, unless w is still being made.
func next(w *Event, unfinished bool) uint64 {
	if w.Kind == KindRecord && !unfinished {
		return w.Seq + 1
	}
	return max(w.Seq, w.Start)
}

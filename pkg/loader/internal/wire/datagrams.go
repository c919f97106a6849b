package wire

import (
	"fmt"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Datagrams is what the programs know of a connection of DTLS, struct dtls_conn.
type Datagrams object.DtlsDtlsConn

// ReadDatagrams copies one from b; nil if it has ended.
func ReadDatagrams(b []byte) (*Datagrams, error) {
	c := new(Datagrams)
	size := int(unsafe.Sizeof(*c))
	if len(b) < size {
		return nil, fmt.Errorf("connection of %d bytes, want %d: the BPF object and this program do not match", len(b), size)
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(c)), size), b)
	if c.Alive == 0 {
		return nil, nil
	}
	return c, nil
}

func (c *Datagrams) tx() *Event { return (*Event)(unsafe.Pointer(&c.Tx)) }
func (c *Datagrams) rx() *Event { return (*Event)(unsafe.Pointer(&c.Rx)) }

// UnreportedDrops are the records that were dropped since the last that was reported, an event for each
// reason, at the time mono.
func (c *Datagrams) UnreportedDrops(mono uint64) (all []*event.Drop) {
	rx := c.rx()
	if c.Reported == 0 || rx.Flags&FlagHidden != 0 {
		return nil
	}
	for reason, d := range c.Dropped {
		if d.Unreported == 0 {
			continue
		}
		all = append(all, &event.Drop{
			Conn: rx.conn(), TLS: rx.tls(rx.Mode), Proc: rx.process(), Mono: mono, Epoch: d.Epoch, Seq: d.Seq,
			Type: event.ContentType(d.Type), Len: uint32(d.Len), Datagram: uint32(d.Datagram), Reason: event.DropReason(reason), Count: uint64(d.Unreported),
		})
	}
	return all
}

// Socket reports the connection at the time mono. What the peer has sent is not known:
// it may be on its way, or lost.
func (c *Datagrams) Socket(mono uint64) *event.Socket {
	tx, rx := c.tx(), c.rx()
	s := &event.Socket{
		State: event.SocketFound, Conn: tx.conn(), Proc: rx.process(), Mono: mono, GenTX: tx.Gen, GenRX: rx.Gen, NextTX: c.Next,
		Hidden: [2]uint64{tx.Rec.Hidden, rx.Rec.Hidden}, Start: &[2]uint64{tx.Rec.Start, 0},
	}
	if c.Keyed[event.TX] != 0 {
		s.TX = tx.tls(tx.Mode)
	}
	if c.Keyed[event.RX] != 0 {
		s.RX = rx.tls(rx.Mode)
	}
	return s
}

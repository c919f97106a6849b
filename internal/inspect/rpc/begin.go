package rpc

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Verdict is how certainly bytes are the beginning of a message.
type Verdict uint8

// The verdicts. More needs more bytes; Maybe is a reply, which has few known values.
const (
	No Verdict = iota
	More
	Maybe
	Sure
)

const (
	shortestReply = 20 // a denial, after its mark
	shortestCall  = 40
)

// Begins reports whether a message of RPC begins with b.
func Begins(b []byte) Verdict {
	c := cursor{b: b}
	mark := c.word()
	length := mark &^ lastFragment
	if !c.short && (mark&lastFragment == 0 || length < shortestReply || length > maxFragment || length%4 != 0) {
		return No
	}
	c.word() // the xid
	kind, second := c.word(), c.word()
	switch {
	case c.short && !mayBegin(b):
		return No
	case c.short:
		return More
	case kind == call && second == rpcVersion && length >= shortestCall:
		return beginsCall(&c)
	case kind == reply && second <= 1:
		return beginsReply(&c, second == 1)
	}
	return No
}

// mayBegin checks the part of the mark that is there: no text has its first bit.
func mayBegin(b []byte) bool { return len(b) > 0 && b[0]&0x80 != 0 && b[0]&0x7f <= maxFragment>>24 }

// beginsCall: a program's number is greater than those of its versions and procedures,
// which are small.
func beginsCall(c *cursor) Verdict {
	program, version, procedure := c.word(), c.word(), c.word()
	if !c.short && (program < 100000 || program >= programCallbackEnd || version > 16 || procedure > 255) {
		return No
	}
	c.auth()
	return c.verdict(Sure)
}

func beginsReply(c *cursor, denied bool) Verdict {
	if denied {
		if c.word() > 1 {
			return No
		}
		return c.verdict(Maybe)
	}
	c.auth()
	if c.word() > 5 {
		return No
	}
	return c.verdict(Maybe)
}

func (c *cursor) verdict(v Verdict) Verdict {
	switch {
	case c.malformed:
		return No
	case c.short:
		return More
	}
	return v
}

// answers reports whether b has the xid of a call that waits for its reply.
func (k *Conn) answers(d event.Dir, b []byte) bool {
	if len(b) < markLen+4 {
		return false
	}
	_, ok := k.waiting[d^1][binary.BigEndian.Uint32(b[markLen:])]
	return ok
}

package rpc

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxFragment limits the length of a fragment that is accepted. Servers accept a few
// megabytes in one message at most.
const maxFragment = 64 << 20

const (
	markLen = 4
	// lastFragment is the bit of a mark that says so, RFC 5531 §11.
	lastFragment = 1 << 31
)

// stream is one direction of a connection: messages in fragments, each after its mark.
type stream struct {
	conn *Conn
	dir  event.Dir
	// lost says that the beginning of the next message is not known.
	lost bool
	// unconfirmed is how many consecutive messages are still needed until they are
	// accepted.
	unconfirmed int
	mark        [markLen]byte
	marked      int    // bytes of the mark so far
	remaining   uint64 // of the fragment
	last        bool   // it is the last one
	m           *message
}

// confirmations is how many messages prove that a position was the beginning of one. A
// call proves it alone: eight of its words are known.
const confirmations = 2

// write handles the bytes of a record.
func (s *stream) write(b []byte, now uint64) {
	if (s.lost || s.unconfirmed > 0) && !s.find(b) {
		return
	}
	for len(b) > 0 && !s.lost {
		b = b[s.consume(b, now):]
	}
}

// find checks whether a message begins with the record, if that is not known. It reports
// whether the record can be read.
func (s *stream) find(b []byte) bool {
	v := Begins(b)
	if v == Maybe && s.conn.answers(s.dir, b) {
		v = Sure
	}
	switch {
	case v == Sure, v == Maybe && s.lost:
		s.lost, s.unconfirmed, s.marked, s.remaining, s.m = false, confirmations, 0, 0, nil
		return true
	}
	return !s.lost
}

// consume reads some of b, and returns how much.
func (s *stream) consume(b []byte, now uint64) int {
	if s.m == nil {
		s.m = &message{dir: s.dir, begun: now, part: s.conn.readHead}
	}
	if s.remaining == 0 {
		n := copy(s.mark[s.marked:], b)
		s.marked += n
		s.m.length += uint64(n)
		if s.marked == markLen {
			s.begin(now)
		}
		return n
	}
	n := int(min(s.remaining, uint64(len(b))))
	unread := !s.m.read
	s.m.feed(b[:n])
	if unread && s.m.read {
		s.confirm()
	}
	s.pass(uint64(n), now)
	return n
}

// begin handles a complete mark.
func (s *stream) begin(now uint64) {
	word := binary.BigEndian.Uint32(s.mark[:])
	s.marked = 0
	s.remaining, s.last = uint64(word&^lastFragment), word&lastFragment != 0
	switch {
	case s.remaining > maxFragment:
		s.lose(now)
	case s.remaining == 0:
		s.pass(0, now)
	}
}

// pass advances by n bytes of the fragment.
func (s *stream) pass(n, now uint64) {
	s.remaining -= n
	s.m.length += n
	switch {
	case s.m.malformed:
		s.lose(now)
	case s.remaining > 0 || !s.last:
	case !s.m.read: // it ended within its head
		s.lose(now)
	default:
		m := s.m
		s.m = nil
		m.stop()
		s.conn.ended(m, now, false)
	}
}

// confirm records that the head of a message was at its expected position.
func (s *stream) confirm() {
	switch {
	case s.unconfirmed == 0:
	case !s.m.reply || s.m.known:
		s.unconfirmed = 0
	default:
		s.unconfirmed--
		s.m.uncertain = s.unconfirmed > 0
	}
}

// gap skips n bytes that were not seen, 0 if their number is not known.
func (s *stream) gap(n, now uint64) {
	if n == 0 || s.lost {
		s.lose(now)
		return
	}
	for n > 0 && !s.lost {
		if s.remaining == 0 || s.m == nil { // a mark is missing
			s.lose(now)
			return
		}
		k := min(n, s.remaining)
		s.m.lose(k)
		s.pass(k, now)
		n -= k
	}
}

// lose drops the current message: the beginning of the next one is not known.
func (s *stream) lose(now uint64) {
	m := s.m
	s.m, s.lost, s.unconfirmed, s.marked, s.remaining = nil, true, 0, 0, 0
	if m != nil && m.read && !m.malformed {
		m.cut = true
		m.stop()
		s.conn.ended(m, now, true)
	}
}

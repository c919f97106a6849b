package nvme

import "github.com/ktlstop/ktlstop/pkg/event"

// stream is one direction of a connection: consecutive PDUs.
type stream struct {
	conn *Conn
	dir  event.Dir
	// lost says that the beginning of the next PDU is not known.
	lost bool
	// unconfirmed is how many consecutive PDUs are still needed until they are accepted.
	unconfirmed int
	begun       uint64 // time of the PDU's first byte
	head        [maxHeader]byte
	had         int // bytes of the header so far
	pdu         header
	known       bool   // pdu has the common header
	remaining   uint64 // bytes after the header
	uncertain   bool   // it is perhaps not a PDU
	cut         bool   // some of it was not seen
}

// confirmations is how many PDUs prove that a position was the beginning of one. A
// command, or a PDU about a command in progress, proves it alone.
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

// find checks whether a PDU begins with the record, if that is not known. It reports
// whether the record can be read.
func (s *stream) find(b []byte) bool {
	v := s.conn.begins(s.dir, b)
	if v == Sure || v == Maybe && s.lost {
		s.start()
		s.lost, s.unconfirmed = false, confirmations
		return true
	}
	return !s.lost
}

// start begins a PDU.
func (s *stream) start() {
	s.had, s.remaining, s.known, s.uncertain, s.cut = 0, 0, false, false, false
}

// consume reads some of b, and returns how much.
func (s *stream) consume(b []byte, now uint64) int {
	if s.known && s.had == int(s.pdu.header) {
		n := min(s.remaining, uint64(len(b)))
		s.pass(n, now)
		return int(n)
	}
	if s.had == 0 {
		s.begun = now
	}
	want := commonLen
	if s.known {
		want = int(s.pdu.header)
	}
	n := copy(s.head[s.had:want], b)
	if s.had += n; s.had < want {
		return n
	}
	if s.known {
		s.whole(now)
	} else if s.pdu, s.known = parseCommon(s.head[:]); !s.known || !s.conn.mayCome(s.dir, &s.pdu) {
		s.lose(now)
	}
	return n
}

// whole handles a complete header.
func (s *stream) whole(now uint64) {
	s.pdu.b = s.head[:s.pdu.header]
	s.confirm()
	s.remaining = uint64(s.pdu.length) - uint64(s.pdu.header)
	if !s.uncertain {
		s.conn.began(s)
	}
	s.pass(0, now)
}

// confirm records that a header was at its expected position.
func (s *stream) confirm() {
	switch {
	case s.unconfirmed == 0:
	case s.conn.proves(s.dir, &s.pdu):
		s.unconfirmed = 0
	default:
		s.unconfirmed--
		s.uncertain = s.unconfirmed > 0
	}
}

// pass advances by n bytes after the header.
func (s *stream) pass(n, now uint64) {
	if s.remaining -= n; s.remaining > 0 {
		return
	}
	if !s.uncertain {
		s.conn.ended(s, now)
	}
	s.start()
}

// gap skips n bytes that were not seen, 0 if their number is not known.
func (s *stream) gap(n, now uint64) {
	if s.lost || n == 0 || !s.known || s.had < int(s.pdu.header) || n > s.remaining {
		s.lose(now)
		return
	}
	s.cut = true
	s.pass(n, now)
}

// lose drops the current PDU: the beginning of the next one is not known.
func (s *stream) lose(now uint64) {
	if !s.lost && s.known && s.had == int(s.pdu.header) && !s.uncertain {
		s.cut = true
		s.conn.ended(s, now)
	}
	s.start()
	s.lost, s.unconfirmed = true, 0
	s.conn.missed()
}

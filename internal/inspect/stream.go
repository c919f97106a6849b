package inspect

import "github.com/ktlstop/ktlstop/pkg/event"

// stream is one direction of a connection: the bytes of its records in order.
// Offsets count the bytes that were seen, from 0 on.
type stream struct {
	in    *Inspector
	conn  *conn
	dir   event.Dir
	rules *Rules

	// fresh says that the first byte of the connection will come, or came.
	fresh bool
	order sequence

	// raw has the bytes from base on, shown the same bytes with the secrets masked.
	base       uint64
	raw, shown []byte
	// pos is the decoder's position.
	pos     uint64
	decoder decoder
	pieces  []piece
	// queue has the items that wait to be shown, in order.
	queue     []queued
	now       *event.Record // the latest
	hidden    reason        // the notes on bytes that are not shown
	datagrams bool          // each record stands alone
	scratch   []byte
}

// decoder interprets the bytes of a stream.
type decoder interface {
	// decode consumes what it can; false says that it needs more bytes.
	decode(s *stream) bool
	// pending is the first offset that its maskers have not decided yet.
	pending(s *stream) (uint64, bool)
	// flush consumes all bytes that are there: a gap follows, or the end.
	flush(s *stream)
	// gap reports that n bytes are missing here, 0 if their number is unknown.
	gap(s *stream, n uint64)
	// end reports that no more bytes will come.
	end(s *stream)
}

// piece is a part of a stream of one kind.
type piece struct {
	span
	kind Kind
	note string
}

// queued is a record with the part that is its payload, or another event.
type queued struct {
	span
	record event.Record
	other  event.Event
}

// record handles the next record of this direction.
func (s *stream) record(r *event.Record) error {
	s.now = r
	s.follow(r)
	payload := r.Payload
	if r.Type != event.ApplicationData {
		payload = nil
	} else if s.conn.broken {
		s.decoder = broken{}
	} else if s.datagrams {
		s.decoder = newDatagram()
	} else if s.decoder == nil {
		s.decoder = newGuess(s)
	}
	if len(payload) > int(r.Len) { // the kernel never does this
		payload = payload[:r.Len]
	}
	s.append(r, payload)
	if r.Type == event.ApplicationData {
		s.decode()
		if hole := uint64(r.Len) - uint64(len(payload)); hole > 0 {
			s.gap(hole)
		}
		if s.datagrams { // nothing continues in the next one
			s.finish()
		}
	}
	return s.release()
}

// skip handles a record whose bytes must not be known.
func (s *stream) skip(r *event.Record) error {
	s.now = r
	s.follow(r)
	if s.conn.broken {
		s.decoder = broken{}
	} else if s.decoder == nil {
		s.decoder = newGuess(s)
	}
	if r.Type == event.ApplicationData {
		s.gap(uint64(r.Len))
	}
	return s.release()
}

// unsent handles a record that was never sent: it is shown, but is not part of the
// stream.
func (s *stream) unsent(r *event.Record) error {
	s.now = r
	s.follow(r)
	s.append(r, nil)
	return s.release()
}

// follow finds missing records by sequence number. A DTLS record stands alone, and none
// has to come.
func (s *stream) follow(r *event.Record) {
	if s.datagrams = r.TLS.Version.IsDTLS(); s.datagrams {
		return
	}
	if missing, lost := s.order.observe(r); lost {
		s.missing(missing)
	}
}

// append queues a record with its bytes.
func (s *stream) append(r *event.Record, payload []byte) {
	from := s.end()
	s.raw = append(s.raw, payload...)
	s.shown = append(s.shown, payload...)
	s.in.held += len(payload) + recordCost
	q := queued{span: span{from, s.end()}, record: *r}
	q.record.Payload = nil
	if r.Control != nil {
		control := *r.Control
		q.record.Control = &control
	}
	s.queue = append(s.queue, q)
}

// decode makes the decoder consume what it can.
func (s *stream) decode() {
	defer s.conn.survive(s)
	for s.pos < s.end() && s.decoder.decode(s) {
	}
	if s.in.held > maxHeld {
		s.in.note(s, "more than %d bytes of all connections wait for their meaning: decoding starts anew here", maxHeld)
		s.gap(0)
	}
}

// missing reports that records were not seen.
func (s *stream) missing(n uint64) {
	switch n {
	case 0:
		s.in.note(s, "gap: some records are missing, of unknown length")
	case 1:
		s.in.note(s, "gap: 1 record is missing, of unknown length")
	default:
		s.in.note(s, "gap: %d records are missing, of unknown length", n)
	}
	if s.decoder == nil {
		s.fresh = false
		s.conn.unsure()
		if s.conn.dialogue != nil {
			s.conn.dialogue.interrupt(s)
		}
		return
	}
	s.gap(0)
}

func (s *stream) gap(n uint64) {
	defer s.conn.survive(s)
	s.decoder.flush(s)
	s.decoder.gap(s, n)
}

// finish decides about the remaining bytes: no more records will come.
func (s *stream) finish() {
	defer s.conn.survive(s)
	if s.decoder != nil {
		s.decoder.flush(s)
		s.decoder.end(s)
	}
}

// end is the offset after the last byte.
func (s *stream) end() uint64 { return s.base + uint64(len(s.raw)) }

// rest are the bytes that the decoder has not consumed yet.
func (s *stream) rest() []byte { return s.raw[s.pos-s.base:] }

func (s *stream) bytes(from, to uint64) []byte { return s.raw[from-s.base : to-s.base] }

// masked is the visible form of the bytes.
func (s *stream) masked(from, to uint64) []byte { return s.shown[from-s.base : to-s.base] }

// consume advances by n bytes. note, which may be empty, describes them.
func (s *stream) consume(n int, kind Kind, note string) {
	if n == 0 {
		return
	}
	from := s.pos
	s.pos += uint64(n)
	if last := len(s.pieces) - 1; last >= 0 && note == "" && s.pieces[last].kind == kind && s.pieces[last].to == from {
		s.pieces[last].to = s.pos
		return
	}
	s.pieces = append(s.pieces, piece{span{from, s.pos}, kind, note})
}

// text consumes n bytes that m masks.
func (s *stream) text(m *masker, n int) {
	m.write(s, s.pos, s.pos+uint64(n))
	s.consume(n, Text, "")
}

// talk consumes text in an unknown protocol. Once for each connection it notes what
// would show more of the other bytes.
func (s *stream) talk(m *masker, n int) {
	m.write(s, s.pos, s.pos+uint64(n))
	var note reason
	if !legible(s.rest()[:n]) {
		note = "a protocol that is not known here: --format hex shows all its bytes, ktlstop tap with tshark what it makes of them"
	}
	s.consumeTalk(n, note)
}

// consumeTalk consumes n bytes that are masked already. A connection's first note is
// shown.
func (s *stream) consumeTalk(n int, note reason) {
	if s.conn.advised {
		note = ""
	}
	s.conn.advised = s.conn.advised || note != ""
	s.consume(n, Talk, string(note))
}

// advice says, once for each connection, what would show more of it: an earlier start,
// if the connection was open before.
func (s *stream) advice() reason {
	if s.fresh {
		return "; " + seeAll
	}
	return "; to see all start before the connection does. " + seeAll
}

const seeAll reason = "--no-redact --format hex shows every byte, ktlstop tap with tshark what it makes of them"

// hide consumes n bytes and shows none of them. A note says so once, with advice,
// however many more follow.
func (s *stream) hide(n int, note reason) {
	if !s.rules.off {
		maskAll(s.masked(s.pos, s.pos+uint64(n)))
	}
	if note == s.hidden {
		note = ""
	} else if note != "" {
		s.hidden = note
		note += ", not shown"
		if !s.conn.advised {
			s.conn.advised = true
			note += s.advice()
		}
	}
	s.consume(n, Frame, string(note))
}

// mask hides a part of a text except for its line breaks.
func (s *stream) mask(from, to uint64) {
	b := s.masked(from, to)
	for i, c := range b {
		if c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}

// begun is the time of the record with the byte at an offset.
func (s *stream) begun(at uint64) uint64 {
	for i := range s.queue {
		if q := &s.queue[i]; q.other == nil && at < q.to {
			return q.record.Mono
		}
	}
	return s.now.Mono
}

// after queues an event after the latest record.
func (s *stream) after(ev event.Event) { s.queue = append(s.queue, queued{other: ev}) }

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

	// raw holds the bytes from base on, shown the same with the secrets masked.
	base       uint64
	raw, shown []byte
	// pos is how far the decoder has come.
	pos     uint64
	decoder decoder
	pieces  []piece
	// queue holds what waits to be shown, in order.
	queue     []queued
	now       *event.Record // the latest
	hidden    reason        // what was said of bytes that are not shown
	datagrams bool          // each record is for itself
	scratch   []byte
}

// decoder gives the bytes of a stream their meaning.
type decoder interface {
	// decode consumes what it can; false means that it needs more bytes.
	decode(s *stream) bool
	// pending is the first offset that its maskers have not decided about.
	pending(s *stream) (uint64, bool)
	// flush consumes all bytes that are there: a gap follows, or the end.
	flush(s *stream)
	// gap tells that n bytes are missing here, 0 where their number is unknown.
	gap(s *stream, n uint64)
	// end tells that no more bytes will come.
	end(s *stream)
}

// piece is a stretch of a stream with one meaning.
type piece struct {
	span
	kind Kind
	note string
}

// queued is a record with the stretch that is its payload, or another event.
type queued struct {
	span
	record event.Record
	other  event.Event
}

// record takes the next record of this direction.
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
	if len(payload) > int(r.Len) { // not the kernel's way
		payload = payload[:r.Len]
	}
	s.append(r, payload)
	if r.Type == event.ApplicationData {
		s.decode()
		if hole := uint64(r.Len) - uint64(len(payload)); hole > 0 {
			s.gap(hole)
		}
		if s.datagrams { // nothing goes on in the next one
			s.finish()
		}
	}
	return s.release()
}

// skip takes a record whose bytes are not to be known.
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

// unsent takes a record that never left: it is shown, and no part of what was said.
func (s *stream) unsent(r *event.Record) error {
	s.now = r
	s.follow(r)
	s.append(r, nil)
	return s.release()
}

// follow sees from the sequence whether records are missing. Of DTLS each record is for
// itself, and none has to come.
func (s *stream) follow(r *event.Record) {
	if s.datagrams = r.TLS.Version.IsDTLS(); s.datagrams {
		return
	}
	if missing, lost := s.order.observe(r); lost {
		s.missing(missing)
	}
}

// append queues a record and the bytes that it brought.
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

// decode lets the decoder take what it can.
func (s *stream) decode() {
	defer s.conn.survive(s)
	for s.pos < s.end() && s.decoder.decode(s) {
	}
	if s.in.held > maxHeld {
		s.in.note(s, "more than %d bytes of all connections wait for their meaning: decoding starts anew here", maxHeld)
		s.gap(0)
	}
}

// missing tells that records were not seen.
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

// finish decides about what is left: no more records will come.
func (s *stream) finish() {
	defer s.conn.survive(s)
	if s.decoder != nil {
		s.decoder.flush(s)
		s.decoder.end(s)
	}
}

// end is the offset behind the last byte.
func (s *stream) end() uint64 { return s.base + uint64(len(s.raw)) }

// rest is what the decoder has not taken yet.
func (s *stream) rest() []byte { return s.raw[s.pos-s.base:] }

func (s *stream) bytes(from, to uint64) []byte { return s.raw[from-s.base : to-s.base] }

// masked is what may be shown of the bytes.
func (s *stream) masked(from, to uint64) []byte { return s.shown[from-s.base : to-s.base] }

// consume moves on by n bytes. note, which may be empty, is what to say of them.
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

// text takes n bytes that m masks.
func (s *stream) text(m *masker, n int) {
	m.write(s, s.pos, s.pos+uint64(n))
	s.consume(n, Text, "")
}

// talk is text in a protocol that is not known. Once a connection it says what shows
// more of what is no text.
func (s *stream) talk(m *masker, n int) {
	m.write(s, s.pos, s.pos+uint64(n))
	var note reason
	if !legible(s.rest()[:n]) {
		note = "a protocol that is not known here: --format hex shows all its bytes, ktlstop tap with tshark what it makes of them"
	}
	s.consumeTalk(n, note)
}

// consumeTalk takes n bytes that are masked already. A connection's first note is shown.
func (s *stream) consumeTalk(n int, note reason) {
	if s.conn.advised {
		note = ""
	}
	s.conn.advised = s.conn.advised || note != ""
	s.consume(n, Talk, string(note))
}

// advice is said once of a connection: what shows more of it. An earlier start does where
// the connection was open before.
func (s *stream) advice() reason {
	if s.fresh {
		return "; " + seeAll
	}
	return "; to see all start before the connection does. " + seeAll
}

const seeAll reason = "--no-redact --format hex shows every byte, ktlstop tap with tshark what it makes of them"

// hide consumes n bytes and shows none of them. A note says it once, with what to do,
// whatever of the kind comes next.
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

// mask hides a stretch of text but for its line breaks.
func (s *stream) mask(from, to uint64) {
	b := s.masked(from, to)
	for i, c := range b {
		if c != '\r' && c != '\n' {
			b[i] = '*'
		}
	}
}

// begun is when the record came that holds the byte at an offset.
func (s *stream) begun(at uint64) uint64 {
	for i := range s.queue {
		if q := &s.queue[i]; q.other == nil && at < q.to {
			return q.record.Mono
		}
	}
	return s.now.Mono
}

// after queues an event behind the latest record.
func (s *stream) after(ev event.Event) { s.queue = append(s.queue, queued{other: ev}) }

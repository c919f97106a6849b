package inspect

import "github.com/ktlstop/ktlstop/internal/inspect/finding"

// messages decodes one direction of a dialogue: it consumes the bytes as a grammar directs,
// across records, and gives up if the grammar needs a record that is missing.
type messages struct {
	s       *stream
	with    *dialogue
	grammar grammar
	plain   masker
	// remaining is how many of the expected bytes are still missing.
	remaining uint64
	how       treatment
	// count, if not nil, counts the bytes.
	count *uint64
	// at is the call in progress.
	at *call
}

// grammar parses the messages of one direction of a dialect.
type grammar interface {
	// message consumes what it can of b with the methods of messages. b is not empty and
	// follows what was consumed last. For long parts it calls expect and does not wait for
	// them.
	message(m *messages, b []byte) progress
	// expected is called when the bytes of expect have come.
	expected(m *messages)
	// lost is called when bytes are missing. The decoder then looks for the beginning of the
	// next message.
	lost(m *messages)
}

// progress is how far a grammar got.
type progress uint8

const (
	// waits: it consumed nothing and needs more bytes.
	waits progress = iota
	took
	// fails: the bytes are no message of the dialect.
	fails
)

// treatment is how bytes are shown.
type treatment uint8

const (
	// asText: lines, which are searched for secrets.
	asText treatment = iota
	// asSecret: lines, only the ends of which are shown.
	asSecret
	// asBytes: in hex only, and searched for secrets.
	asBytes
	// asHidden: not at all.
	asHidden
)

func newMessages(s *stream, d *dialogue) *messages {
	return &messages{s: s, with: d, grammar: d.of.grammar(d, s.dir == d.client)}
}

func (m *messages) decode(s *stream) bool {
	if m.remaining > 0 {
		n := min(uint64(len(s.rest())), m.remaining)
		m.consume(int(n), m.how)
		if m.remaining -= n; m.remaining == 0 {
			m.ends()
		}
		return true
	}
	switch m.grammar.message(m, s.rest()) {
	case took:
		return true
	case waits:
		if len(s.rest()) < maxHead {
			return false
		}
	}
	return m.lose("this is no message of its protocol, or one that is too long to wait for")
}

// consume consumes n bytes.
func (m *messages) consume(n int, how treatment) { m.consumeNoted(n, how, "") }

// consumeNoted consumes n bytes and describes them in a line, which is shown if the bytes
// are not text.
func (m *messages) consumeNoted(n int, how treatment, note string) {
	s := m.s
	if m.count != nil {
		*m.count += uint64(n)
	}
	switch how {
	case asText:
		s.text(&m.plain, n)
	case asSecret:
		if !s.rules.off {
			s.mask(s.pos, s.pos+uint64(n))
		}
		s.consume(n, Text, "")
	case asBytes:
		m.plain.write(s, s.pos, s.pos+uint64(n))
		s.consume(n, Frame, note)
	case asHidden:
		if !s.rules.off {
			maskAll(s.masked(s.pos, s.pos+uint64(n)))
		}
		s.consume(n, Frame, note)
	}
}

// fresh begins another text, which does not continue an earlier one.
func (m *messages) fresh() {
	m.plain.end(m.s)
	m.plain = masker{}
}

// expect announces n bytes.
func (m *messages) expect(n uint64, how treatment) {
	if m.remaining, m.how = n, how; n == 0 {
		m.ends()
	}
}

func (m *messages) ends() { m.grammar.expected(m) }

// shown returns what may be shown of the n bytes that were consumed last.
func (m *messages) shown(n int) []byte { return m.s.masked(m.s.pos-uint64(n), m.s.pos) }

// offset is the offset of the next byte.
func (m *messages) offset() uint64 { return m.s.pos }

// lose gives up until a record begins with a message.
func (m *messages) lose(why reason) bool {
	s := m.s
	s.in.note(s, why+"; decoding goes on where a record begins with a message")
	m.leave(newLostGuess())
	s.decoder.flush(s)
	return false
}

// leave returns the stream to the guess.
func (m *messages) leave(g *guess) {
	m.plain.cut(m.s)
	m.with.cut(m.s, m.at)
	m.grammar.lost(m)
	m.at, m.count, m.remaining = nil, nil, 0
	m.with.interrupt(m.s)
	m.s.decoder = g
}

func (m *messages) pending(*stream) (uint64, bool) { return m.plain.pending() }

// flush consumes an incomplete message and shows none of it, since its secrets are not
// known.
func (m *messages) flush(s *stream) {
	if n := len(s.rest()); n > 0 {
		s.hide(n, "a message that was not seen whole")
	}
}

// gap: if it ends within expected bytes, these can still be counted.
func (m *messages) gap(s *stream, n uint64) {
	if n > 0 && m.remaining >= n {
		m.plain.interrupt(s, unknown)
		if m.count != nil {
			*m.count += n
		}
		if m.at != nil {
			m.at.gap = true
		}
		if m.remaining -= n; m.remaining == 0 {
			m.ends()
		}
		return
	}
	if n > 0 {
		s.in.note(s, "bytes are missing here: decoding goes on where a record begins with a message")
	}
	m.leave(newLostGuess())
}

// end: a reply in progress ends here.
func (m *messages) end(s *stream) {
	m.plain.cut(s)
	if m.at != nil && m.at.answering {
		m.answers(finding.Closed)
	}
}

// beginRequest begins a request with the next byte.
func (m *messages) beginRequest(id string) {
	m.at = m.with.beginRequest(m.s, m.offset(), id)
	m.count = &m.at.ev.RequestLen
}

// endRequest ends it.
func (m *messages) endRequest() {
	m.with.endRequest(m.s, m.at)
	m.at, m.count = nil, nil
}

// answer begins a reply with the next byte.
func (m *messages) answer(id string) {
	m.at = m.with.answered(m.s, id)
	m.count = &m.at.ev.ReplyLen
}

// unasked begins a message that a server sends without a request.
func (m *messages) unasked(op string) {
	m.at = m.with.newCall(m.s)
	m.at.ev.Op, m.at.answering = op, true
	m.count = &m.at.ev.ReplyLen
}

// answers ends a reply, or a message without a request.
func (m *messages) answers(how finding.End) {
	m.with.report(m.s, m.at, how)
	m.at, m.count = nil, nil
}

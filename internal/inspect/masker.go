package inspect

import (
	"bytes"
	"strings"
)

// masker finds the secrets of one text, line by line, however it is cut into
// pieces. The text may lie scattered in its stream: chunks and frames are cut
// out of it.
type masker struct {
	state  lineState
	name   []byte // of the header field, in lower case, as far as it has come
	folded bool   // the line before was a secret, and this one may go on with it
	hidden int    // bytes masked in the state unknown
	// line is what has come of the line that patterns have to be matched with.
	line []span
	size int
}

// span is a stretch of a stream, by offsets.
type span struct{ from, to uint64 }

type lineState uint8

const (
	lineBegins lineState = iota
	inName
	inSecret
	inText
	// unknown is the rest of a line whose beginning was not seen: it may be that of
	// a secret.
	unknown
)

// write takes the next bytes of the text, which lie in s.
func (m *masker) write(s *stream, from, to uint64) {
	if s.rules.off {
		return
	}
	for from < to {
		end, complete := to, false
		if i := bytes.IndexByte(s.bytes(from, to), '\n'); i >= 0 {
			end, complete = from+uint64(i)+1, true
		}
		m.header(s, from, end)
		m.collect(s, from, end, complete)
		if complete {
			m.folded = m.state == inSecret || m.state == unknown
			m.state = lineBegins
		}
		from = end
	}
}

// header follows a line that may be a header field, RFC 9112 §5.
func (m *masker) header(s *stream, from, to uint64) {
	b := s.bytes(from, to)
	if m.state == lineBegins {
		m.begin(b[0])
	}
	if m.state == inName {
		n := m.readName(s.rules, b)
		b, from = b[n:], from+uint64(n)
	}
	switch m.state {
	case unknown:
		s.mask(from, to)
		if m.hidden += len(b); m.hidden >= maxUnknown {
			m.state = inText
		}
	case inSecret:
		s.mask(from, to)
	}
}

func (m *masker) begin(first byte) {
	if m.folded && (first == ' ' || first == '\t') { // obs-fold, RFC 9112 §5.2
		m.state = inSecret
		return
	}
	m.state, m.name = inName, m.name[:0]
}

// readName returns how many bytes of b belong to the name and its colon.
func (m *masker) readName(r *Rules, b []byte) int {
	for i, c := range b {
		switch {
		case c == ':':
			m.state = inText
			if r.secret(strings.TrimRight(string(m.name), " \t")) {
				m.state = inSecret
			}
			return i + 1
		case len(m.name) == maxName+8 || c < ' ' && c != '\t' || c >= 0x7f:
			m.state = inText
			return i
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		m.name = append(m.name, c)
	}
	return len(b)
}

// collect keeps what patterns have to be matched with until the line ends.
func (m *masker) collect(s *stream, from, to uint64, complete bool) {
	if len(s.rules.patterns) == 0 {
		return
	}
	if n := len(m.line); n > 0 && m.line[n-1].to == from {
		m.line[n-1].to = to
	} else {
		m.line = append(m.line, span{from, to})
	}
	m.size += int(to - from)
	switch {
	case complete:
		m.match(s)
		m.forget(m.size)
	case m.size >= maxLine:
		m.match(s)
		m.forget(m.size - maxLine/2)
	}
}

// match masks what the patterns find in the line so far.
func (m *masker) match(s *stream) {
	line := s.scratch[:0]
	for _, p := range m.line {
		line = append(line, s.bytes(p.from, p.to)...)
	}
	s.scratch = line
	s.rules.match(bytes.TrimRight(line, "\r\n"), func(from, to int) { m.maskLine(s, from, to) })
}

// maskLine masks a stretch of the line, by offsets in the line.
func (m *masker) maskLine(s *stream, from, to int) {
	at := 0
	for _, p := range m.line {
		n := int(p.to - p.from)
		if lo, hi := max(from-at, 0), min(to-at, n); lo < hi {
			s.mask(p.from+uint64(lo), p.from+uint64(hi))
		}
		at += n
	}
}

// forget drops the first n bytes of the line.
func (m *masker) forget(n int) {
	m.size -= n
	for n > 0 {
		p := &m.line[0]
		if have := int(p.to - p.from); have > n {
			p.from += uint64(n)
			return
		} else {
			n -= have
		}
		m.line = m.line[1:]
	}
	if m.size == 0 {
		m.line = nil
	}
}

// end decides what is still open: no more of this text will come.
func (m *masker) end(s *stream) {
	if m.size > 0 {
		m.match(s)
		m.forget(m.size)
	}
}

// interrupt is end where the text goes on behind a gap. after is what is known
// of the line that the next byte is part of; a secret may go on there.
func (m *masker) interrupt(s *stream, after lineState) {
	m.end(s)
	if m.state == inSecret || m.state == unknown {
		after = unknown
	}
	m.state, m.hidden, m.folded = after, 0, false
}

// pending is the first offset about which nothing is decided yet.
func (m *masker) pending() (uint64, bool) {
	if len(m.line) == 0 {
		return 0, false
	}
	return m.line[0].from, true
}

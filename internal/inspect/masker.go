package inspect

import "bytes"

// masker finds the secrets of one text, line by line, however it is split into pieces.
// The text may be scattered in its stream: chunks and frames are cut out of it.
type masker struct {
	// talk says that lines may be commands: the text is not part of HTTP.
	talk   bool
	state  lineState
	word   word // of the line, as far as it was seen
	folded bool // the line before was a secret, and this one may continue it
	hidden int  // bytes masked in the state unknown
	verb   verb
	urls   urls
	// line is the part of the line that patterns must be matched with.
	line []span
	size int
}

// span is a stretch of a stream, by offsets.
type span struct{ from, to uint64 }

type lineState uint8

const (
	lineBegins lineState = iota
	inName
	inTagged // the word after a first one
	afterName
	inSecret
	inText
	// unknown is the rest of a line whose beginning was not seen: it may be the rest of
	// a secret.
	unknown
)

// write handles the next bytes of the text, which are in s.
func (m *masker) write(s *stream, from, to uint64) {
	if s.rules.off {
		return
	}
	m.urls.write(s, from, to)
	for from < to {
		end, complete := to, false
		if i := bytes.IndexByte(s.bytes(from, to), '\n'); i >= 0 {
			end, complete = from+uint64(i)+1, true
		}
		m.header(s, from, end)
		m.collect(s, from, end, complete)
		if complete {
			m.lineEnds()
		}
		from = end
	}
}

// lineEnds handles the end of the line.
func (m *masker) lineEnds() {
	m.folded = m.state == inSecret || m.state == afterName || m.state == unknown
	if m.talk {
		m.verb.lineEnds()
	}
	m.state = lineBegins
}

// header follows a line that may be a header field, RFC 9112 §5, or a command. A
// malformed line that begins with the name of a secret field is a secret to its end.
func (m *masker) header(s *stream, from, to uint64) {
	b := s.bytes(from, to)
	if m.state == lineBegins {
		m.begin(b[0])
	}
	if m.state == inName || m.state == inTagged {
		n := m.readName(b)
		b, from = b[n:], from+uint64(n)
	}
	if m.state == afterName {
		n := m.readColon(b)
		b, from = b[n:], from+uint64(n)
	}
	switch m.state {
	case unknown:
		s.mask(from, to)
		if m.talk {
			m.verb.seek(&m.word, b)
		}
		if m.hidden += len(b); m.hidden >= maxUnknown {
			m.state = inText
		}
	case inSecret:
		s.mask(from, to)
		if m.talk {
			m.verb.read(b)
		}
	}
}

func (m *masker) begin(first byte) {
	switch {
	case m.verb.answers():
		m.state = inSecret
	case m.folded && (first == ' ' || first == '\t'): // obs-fold, RFC 9112 §5.2
		m.state = inSecret
	default:
		m.state, m.word.n = inName, 0
	}
}

// readName returns how many bytes of b come before the end of the name.
func (m *masker) readName(b []byte) int {
	for i, c := range b {
		if p := plain[c]; p != 0 {
			m.word.add(p)
			continue
		}
		switch {
		case m.word.n == 0 && mayIndent(c):
		case m.named(c):
			return i
		}
	}
	return len(b)
}

// mayIndent reports whether a name can follow c at the beginning of a line: a space of
// any kind, a byte order mark, a quote, or a mark of lines in lists and logs.
func mayIndent(c byte) bool {
	return c >= 0x80 || c == ' ' || c == '\t' || c == '"' || c == '\'' || c == '>' || c == '<' || c == '*'
}

// named decides about a name before c; false says that another may follow.
func (m *masker) named(c byte) bool {
	tagged := m.state == inTagged
	m.state = inText
	switch {
	case m.talk && m.verb.begin(m.word.bytes(), tagged):
		m.state = afterName
	case !tagged && secretField(m.word.bytes()):
		m.state = afterName
	case m.talk && !tagged && c == ' ':
		m.state, m.word.n = inTagged, 0
		return false
	}
	return true
}

// readColon returns how many bytes of b precede the value. Without a colon the value is
// the text after the name.
func (m *masker) readColon(b []byte) int {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', '"', '\'':
		case ':':
			m.state = inSecret
			return i + 1
		default:
			m.state = inSecret
			return i
		}
	}
	return len(b)
}

// collect keeps the text that patterns must be matched with until the line ends.
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
		m.line = append(m.line[:0], m.line[1:]...)
	}
}

// end decides what is still open: the text ends here.
func (m *masker) end(s *stream) {
	m.urls.end(s)
	m.matchRest(s)
}

// cut is like end for a text that does not end, but of which no more will come.
func (m *masker) cut(s *stream) {
	m.urls.interrupt(s)
	m.matchRest(s)
}

func (m *masker) matchRest(s *stream) {
	if m.size > 0 {
		m.match(s)
		m.forget(m.size)
	}
}

// interrupt is like cut for a text that continues after a gap. after is what is known
// of the line of the next byte; a secret may continue there.
func (m *masker) interrupt(s *stream, after lineState) {
	m.cut(s)
	if m.talk {
		m.verb.interrupt((m.state == inName || m.state == inTagged) && mayBeCommand(m.word.bytes()))
	}
	switch m.state {
	case afterName, inSecret, unknown:
		after = unknown
	}
	m.state, m.hidden, m.folded, m.word.n = after, 0, false, 0
}

// pending is the first offset that is not decided yet.
func (m *masker) pending() (uint64, bool) {
	at, ok := m.urls.pending()
	if len(m.line) > 0 && (!ok || m.line[0].from < at) {
		return m.line[0].from, true
	}
	return at, ok
}

package inspect

import "cmp"

// partialLine reads the rest of a line that a gap cut. It may belong to a secret's value, or to
// the name before one: the gap may hold the beginning of either. Where it is a member's of
// JSON, only the next member says for certain that it is over.
type partialLine struct {
	json   bool // members of JSON came before
	quoted bool // a quote came behind the gap
	size   int  // bytes behind the gap
	last   byte // the latest of them that is no space
	memberStart
}

// tear begins behind a gap. again says that what is cut is such a rest itself.
func (t *partialLine) tear(again bool) {
	*t = partialLine{json: t.json, quoted: t.quoted && again}
}

// ends reports whether the rest does before c.
func (t *partialLine) ends(c byte) bool {
	switch {
	case c == '\r' || c == '\n':
		return true
	case c == '"' || c == '\'':
		t.quoted = true
	}
	t.size++
	// In a string of JSON may be anything, but none is taken to go on for ever.
	if (t.json || t.quoted) && t.size <= maxUnknown {
		return false
	}
	if c == ' ' || c == '\t' { // there may be some before a value
		return t.last != 0 && t.last != ':'
	}
	t.last = c
	return c == '&' || c == '#' || endsURL(c)
}

// memberStart looks for the start of a member of JSON: a comma or a brace, a name in
// quotes and a colon. Within a string none can be, since quotes are escaped there.
type memberStart struct {
	at   startState
	name word
}

type startState uint8

const (
	noStart startState = iota
	quoteExpected
	nameExpected
	inMemberName
	colonExpected
)

// ready takes the next byte and reports whether it is the colon behind a whole name.
func (m *memberStart) ready(c byte) bool {
	space := c == ' ' || c == '\t'
	switch {
	case space && (m.at == quoteExpected || m.at == colonExpected):
	case m.at == quoteExpected && c == '"':
		m.at, m.name.n = nameExpected, 0
	case m.at == nameExpected && isName(c): // which what lies between two strings does not begin with
		m.at = inMemberName
		m.name.add(plain[c])
	case m.at == inMemberName && c == '"':
		m.at = colonExpected
	case m.at == inMemberName && c != '\\':
		m.name.add(cmp.Or(plain[c], c))
	case m.at == colonExpected && c == ':':
		return true
	case c == ',' || c == '{':
		m.at = quoteExpected
	default:
		m.at = noStart
	}
	return false
}

// rest is how many bytes of b come before the end of what a gap cut, with the name and
// the colon of the member that ends it.
func (u *urls) rest(b []byte) int {
	for i, c := range b {
		switch {
		case u.partialLine.ends(c):
			u.state = urlText
			return i
		case u.partialLine.ready(c):
			u.state, u.partialLine.json = urlText, true
			if secretMember(parameter(u.partialLine.name.bytes())) {
				u.state = memberBegins
			}
			return i + 1
		}
	}
	return len(b)
}

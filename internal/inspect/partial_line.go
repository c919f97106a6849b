package inspect

import "cmp"

// partialLine reads the rest of a line that a gap cut. It may belong to a secret's value, or to
// the name before one: either may begin in the gap. In JSON, only the next member shows for
// certain that the value is over.
type partialLine struct {
	json   bool // members of JSON came before
	quoted bool // a quote came after the gap
	size   int  // bytes after the gap
	last   byte // the latest of them that is not a space
	memberStart
}

// tear begins after a gap. again says that the cut part is such a rest itself.
func (t *partialLine) tear(again bool) {
	*t = partialLine{json: t.json, quoted: t.quoted && again}
}

// ends reports whether the rest ends before c.
func (t *partialLine) ends(c byte) bool {
	switch {
	case c == '\r' || c == '\n':
		return true
	case c == '"' || c == '\'':
		t.quoted = true
	}
	t.size++
	// A string of JSON may contain anything, but no string is assumed to continue for ever.
	if (t.json || t.quoted) && t.size <= maxUnknown {
		return false
	}
	if c == ' ' || c == '\t' { // there may be some before a value
		return t.last != 0 && t.last != ':'
	}
	t.last = c
	return c == '&' || c == '#' || endsURL(c)
}

// memberStart looks for the start of a member of JSON: a comma or a brace, a name in quotes and
// a colon. It cannot be within a string, since quotes are escaped there.
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

// ready handles the next byte and reports whether it is the colon after a whole name.
func (m *memberStart) ready(c byte) bool {
	space := c == ' ' || c == '\t'
	switch {
	case space && (m.at == quoteExpected || m.at == colonExpected):
	case m.at == quoteExpected && c == '"':
		m.at, m.name.n = nameExpected, 0
	case m.at == nameExpected && isName(c): // the text between two strings does not begin with it
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

// rest is how many bytes of b precede the end of the part that a gap cut, with the name and the
// colon of the member that ends it.
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

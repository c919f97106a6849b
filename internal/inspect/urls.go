package inspect

import "bytes"

// urls finds the secrets in URLs and forms of a text, however it is split into pieces:
// the part before @ in ://user:password@host, and the values of secret parameters and
// of members of JSON.
type urls struct {
	state urlState
	quote byte // the character that ends the value
	// escaped says that the latest byte within quotes was a backslash.
	escaped bool
	key     word // the possible name of a parameter at the end of the latest piece
	closed  bool // a quote followed it, so that it may be the name of a member of JSON
	// withheld are the bytes of a possible user and password, until it is known.
	withheld []span
	size     int
	authority
	partialLine partialLine
}

// authority is the part of a URL's authority so far, RFC 3986 §3.2.
type authority struct {
	at      int  // bytes before the latest @, -1 without
	host    int  // bytes after it
	bracket bool // the host is an address of IPv6
	port    bool // a colon followed the @
	// secret: the text after the colon is not a port, so it is a password.
	secret bool
	// bare: no scheme preceded it. It can be anything, and has a password only if it
	// has an @.
	bare bool
}

type urlState uint8

const (
	urlText urlState = iota
	urlColon
	urlSlash
	inAuthority
	valueBegins
	inValue
	inQuotes
	memberBegins // after the colon of JSON
	hostBegins   // after the colon of Host or :authority
	inLiteral    // a number, true, false or null
	inLine       // a list, or a value that a gap cut: a secret to the line's end
	inPartial    // after a gap
)

// write handles the next bytes of the text, which are in s.
func (u *urls) write(s *stream, from, to uint64) {
	b := s.bytes(from, to)
	for i := 0; i < len(b); {
		switch u.state {
		case urlText:
			i += u.text(b[i:])
		case urlColon, urlSlash:
			i += u.slash(b[i])
		case inAuthority:
			i += u.user(s, b[i:], from+uint64(i))
		case valueBegins:
			i += u.value(b[i])
		case memberBegins:
			i += u.member(b[i])
		case hostBegins:
			i += u.host(b[i])
		default:
			n := u.secretLen(b[i:])
			s.mask(from+uint64(i), from+uint64(i+n))
			i += n
		}
	}
}

// text looks for characters that a secret can follow.
func (u *urls) text(b []byte) int {
	for at := 0; at < len(b); at++ {
		n := mark(b[at:])
		if n < 0 {
			break
		}
		at += n
		if u.state = u.behind(b[:at], b[at]); u.state != urlText {
			u.key.n, u.closed = 0, false
			return at + 1
		}
	}
	u.key, u.closed = u.tail(b)
	return len(b)
}

// behind is the state after a colon or an equals sign.
func (u *urls) behind(b []byte, mark byte) urlState {
	if n := len(b); mark == ':' && (n > 0 && !mayEndName[b[n-1]] || n == 0 && u.key.n == 0) {
		return urlColon
	}
	if mark == '=' {
		if name := u.name(b); secretParameter(parameter(name.bytes())) {
			return valueBegins
		}
		return urlText
	}
	switch name, closed := u.tail(b); {
	case !closed && isHost(name.bytes()):
		return hostBegins
	case closed:
		u.partialLine.json = true
		if secretMember(parameter(name.bytes())) {
			return memberBegins
		}
	}
	return urlColon
}

// mayEndName has the characters that can precede a colon with a secret after it: the
// end of a member's name in JSON, or of Host and authority.
var mayEndName = [256]bool{'"': true, '\'': true, ' ': true, 't': true, 'T': true, 'y': true, 'Y': true}

// isHost reports whether the value of a field is an authority, which may have a
// user and a password.
func isHost(name []byte) bool { return string(name) == "host" || string(name) == "authority" }

// host skips spaces before the authority.
func (u *urls) host(c byte) int {
	if c == ' ' || c == '\t' {
		return 1
	}
	u.state, u.authority = inAuthority, authority{at: -1, bare: true}
	return 0
}

// tail is the name that b ends with, and whether a quote closed it.
func (u *urls) tail(b []byte) (name word, closed bool) {
	n := len(b)
	for n > 0 && b[n-1] == ' ' {
		n--
	}
	switch {
	case n == 0 && u.closed:
		return u.key, true
	case n > 0 && (b[n-1] == '"' || b[n-1] == '\''):
		return u.name(b[:n-1]), true
	}
	return u.name(b), false
}

// mark is the position of the first colon or equals sign in b, -1 without. It looks for
// both in one piece after the other, so that many of the one do not cost a search to
// the end for the other each time.
func mark(b []byte) int {
	const piece = 64
	for from := 0; from < len(b); from += piece {
		p := b[from:min(from+piece, len(b))]
		equals := bytes.IndexByte(p, '=')
		if equals >= 0 {
			p = p[:equals]
		}
		if colon := bytes.IndexByte(p, ':'); colon >= 0 {
			return from + colon
		}
		if equals >= 0 {
			return from + equals
		}
	}
	return -1
}

// slash handles the :// before an authority.
func (u *urls) slash(c byte) int {
	switch {
	case c != '/':
		u.state = urlText
		return 0
	case u.state == urlSlash:
		u.state, u.authority = inAuthority, authority{at: -1}
	default:
		u.state = urlSlash
	}
	return 1
}

// isKey reports whether c can be part of a parameter's name; user[password] is one.
func isKey(c byte) bool { return isName(c) || c == '[' || c == ']' || c == '%' }

// name is the name at the end of b; it may have begun in the piece before.
func (u *urls) name(b []byte) (w word) {
	i := len(b)
	for i > 0 && len(b)-i < maxName && isKey(b[i-1]) {
		i--
	}
	if i == 0 && !u.closed {
		w = u.key
	}
	for _, c := range b[i:] {
		if p := plain[c]; p != 0 {
			c = p
		}
		w.add(c)
	}
	return w
}

// parameter is the name of a parameter in the form in which it is looked up: decoded,
// without an index, as in passwords[] and tokens[1], and for user[password] the inner
// name.
func parameter(name []byte) []byte {
	if len(name) == 0 || name[len(name)-1] != ']' && bytes.IndexByte(name, '%') < 0 {
		return name
	}
	name = unescape(name)
	for list := false; ; list = true {
		name = bytes.TrimRight(name, "] ")
		open := bytes.LastIndexByte(name, '[')
		switch inner := name[open+1:]; {
		case open >= 0 && len(bytes.Trim(inner, "0123456789")) == 0:
			name = name[:open]
			continue
		case list: // of more than one
			return bytes.TrimSuffix(inner, []byte("s"))
		default:
			return inner
		}
	}
}

// unescape decodes what is percent-encoded, in place.
func unescape(name []byte) []byte {
	out := name[:0]
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if hi, lo := digit(name[i+1]), digit(name[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		if p := plain[c]; p != 0 {
			c = p
		}
		out = append(out, c)
	}
	return out
}

// digit is the value of a hexadecimal digit in lower case, -1 if c is not one.
func digit(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c) }

func (u *urls) value(first byte) int {
	if first == '"' || first == '\'' {
		u.state, u.quote, u.escaped = inQuotes, first, false
		return 1
	}
	u.state = inValue
	return 0
}

// member examines the text after the colon of a member with a secret.
func (u *urls) member(c byte) int {
	switch c {
	case ' ', '\t', '\r', '\n':
		return 1
	case '"', '\'':
		u.state, u.quote, u.escaped = inQuotes, c, false
		return 1
	case '{', ',', '}':
		u.state = urlText
	case '[':
		u.state = inLine
	default:
		u.state = inLiteral
	}
	return 0
}

// secretLen is how many bytes of b belong to the secret.
func (u *urls) secretLen(b []byte) int {
	if u.state == inPartial {
		return u.rest(b)
	}
	return u.valueLen(b)
}

// valueLen is how many bytes of b belong to the value.
func (u *urls) valueLen(b []byte) int {
	for i, c := range b {
		if u.valueEnds(c) {
			u.state = urlText
			return i
		}
	}
	return len(b)
}

// valueEnds reports whether the value ends before c. A character that a query cannot
// contain ends a value in one: https://url.spec.whatwg.org/#query-percent-encode-set.
func (u *urls) valueEnds(c byte) bool {
	switch {
	case c == '\r' || c == '\n':
		return true
	case u.state == inLine:
		return false
	case u.state == inLiteral:
		return endsURL(c) || c == ',' || c == '}' || c == ']'
	case u.state == inValue:
		return c == '&' || c == '#' || endsURL(c)
	}
	ends := c == u.quote && !u.escaped
	u.escaped = c == '\\' && !u.escaped
	return ends
}

// endsURL reports whether c cannot be in a URL.
func endsURL(c byte) bool { return c <= ' ' || c == '"' || c == '<' || c == '>' || c == 0x7f }

// user keeps the possible user and password.
func (u *urls) user(s *stream, b []byte, from uint64) int {
	n := 0
	for n < len(b) && u.size+n < maxAuthority && !u.ends(b[n]) {
		u.follow(u.size+n, b[n])
		n++
	}
	u.withhold(from, from+uint64(n))
	switch {
	case n < len(b) && u.size < maxAuthority:
		u.flush(s)
	case u.size >= maxAuthority:
		u.hide(s)
	}
	return n
}

func (u *urls) ends(c byte) bool {
	return endsURL(c) || !u.secret && (c == '/' || c == '?' || c == '#')
}

// follow handles the byte at an offset of the authority.
func (a *authority) follow(at int, c byte) {
	switch {
	case c == '@':
		*a = authority{at: at, bare: a.bare}
		return
	case c == '[' && a.host == 0:
		a.bracket = true
	case c == ']':
		a.bracket = false
	case c == ':' && !a.bracket && !a.port:
		a.port = true
	case a.port && !a.bare && (c < '0' || c > '9'):
		a.secret = true
	}
	a.host++
}

func (u *urls) withhold(from, to uint64) {
	u.size += int(to - from)
	if n := len(u.withheld); n > 0 && u.withheld[n-1].to == from {
		u.withheld[n-1].to = to
	} else if from < to {
		u.withheld = append(u.withheld, span{from, to})
	}
}

// flush decides about the withheld bytes: the authority is complete.
func (u *urls) flush(s *stream) {
	n := max(u.at, 0)
	if u.secret {
		n = u.size
	}
	u.mask(s, n)
	u.state = urlText
}

// hide masks the withheld bytes, and the following ones: the authority is not complete.
func (u *urls) hide(s *stream) {
	u.mask(s, u.size)
	u.state = inValue
}

// mask masks the first n withheld bytes, and withholds no more.
func (u *urls) mask(s *stream, n int) {
	for _, p := range u.withheld {
		to := min(p.to, p.from+uint64(n))
		s.mask(p.from, to)
		n -= int(to - p.from)
	}
	u.withheld, u.size, u.key = u.withheld[:0], 0, word{}
}

// end decides about the withheld bytes: the text ends here.
func (u *urls) end(s *stream) {
	u.flush(s)
}

// interrupt is like end for a cut text. A secret may continue after it.
func (u *urls) interrupt(s *stream) {
	member := u.state == memberBegins || u.state == inQuotes || u.state == inLine ||
		u.closed && secretMember(parameter(u.key.bytes()))
	u.partialLine.tear(u.state == inPartial)
	u.hide(s)
	u.state, u.closed = inPartial, false
	if member {
		u.state = inLine
	}
}

// pending is the first offset that is not decided yet.
func (u *urls) pending() (uint64, bool) {
	if len(u.withheld) == 0 {
		return 0, false
	}
	return u.withheld[0].from, true
}

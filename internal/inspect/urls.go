package inspect

import "bytes"

// urls finds the secrets in URLs and forms of a text, however it is cut into
// pieces: what comes before @ in ://user:password@host, and the values of secret
// parameters and of members of JSON.
type urls struct {
	state urlState
	quote byte // that the value ends with
	// escaped says that the latest byte within quotes was a backslash.
	escaped bool
	key     word // what may be a parameter's name at the end of the latest piece
	closed  bool // a quote came behind it, so that it may be a member's of JSON
	// withheld is what may be user and password, until it is known.
	withheld []span
	size     int
	authority
	partialLine partialLine
}

// authority is what has come of the authority of a URL, RFC 3986 §3.2.
type authority struct {
	at      int  // bytes before the latest @, -1 without
	host    int  // bytes behind it
	bracket bool // the host is an address of IPv6
	port    bool // a colon came behind the @
	// secret: what follows the colon is no port, so it is a password.
	secret bool
	// bare: no scheme came before it. It may be anything, and has a password only if
	// it has an @.
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
	memberBegins // behind the colon of JSON
	hostBegins   // behind the colon of Host or :authority
	inLiteral    // a number, true, false or null
	inLine       // a list, or a value that a gap cut: a secret to the line's end
	inPartial    // behind a gap
)

// write takes the next bytes of the text, which lie in s.
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

// text looks for what a secret may follow.
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

// behind is what a colon or an equals sign is followed by.
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

// mayEndName has what may stand before a colon that a secret follows: the end of a
// member of JSON, or of Host and authority.
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

// mark is where b has its first colon or equals sign, -1 without. It looks for both
// in one piece after the other, so that many of the one cost no search to the end
// for the other each.
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

// slash follows the :// before an authority.
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

// isKey reports whether c may be part of a parameter's name; user[password] is one.
func isKey(c byte) bool { return isName(c) || c == '[' || c == ']' || c == '%' }

// name is the name that b ends with; it may have begun in the piece before.
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

// parameter is the name of a parameter as it is looked up: decoded, without what is
// behind it, as in passwords[] and tokens[1], and for user[password] the name within.
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

// digit is the value of a hexadecimal digit in lower case, -1 if c is none.
func digit(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c) }

func (u *urls) value(first byte) int {
	if first == '"' || first == '\'' {
		u.state, u.quote, u.escaped = inQuotes, first, false
		return 1
	}
	u.state = inValue
	return 0
}

// member looks at what is behind the colon of a member with a secret.
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

// valueEnds reports whether the value does before c. What cannot be in a query ends
// one there: https://url.spec.whatwg.org/#query-percent-encode-set.
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

// user holds what may be a user and a password.
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

// follow takes the byte at an offset of the authority.
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

// flush decides about what is held: the authority is whole.
func (u *urls) flush(s *stream) {
	n := max(u.at, 0)
	if u.secret {
		n = u.size
	}
	u.mask(s, n)
	u.state = urlText
}

// hide masks what is held, and what follows: the authority is not whole.
func (u *urls) hide(s *stream) {
	u.mask(s, u.size)
	u.state = inValue
}

// mask masks the first n bytes of what is held, and holds no more.
func (u *urls) mask(s *stream, n int) {
	for _, p := range u.withheld {
		to := min(p.to, p.from+uint64(n))
		s.mask(p.from, to)
		n -= int(to - p.from)
	}
	u.withheld, u.size, u.key = u.withheld[:0], 0, word{}
}

// end decides about what is held: the text ends here.
func (u *urls) end(s *stream) {
	u.flush(s)
}

// interrupt is end where the text is cut. A secret may go on behind it.
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

// pending is the first offset about which nothing is decided yet.
func (u *urls) pending() (uint64, bool) {
	if len(u.withheld) == 0 {
		return 0, false
	}
	return u.withheld[0].from, true
}

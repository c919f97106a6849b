package inspect

import (
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// isFirst reports whether a record, the first one of application data that was seen, has a
// number that leaves no room for earlier ones. In TLS 1.2 Finished is the first record under
// a key, RFC 5246 §7.4.9; in TLS 1.3 (RFC 8446 §7.2) nothing need precede it, and only early
// data has another key.
func isFirst(r *event.Record) bool {
	room := uint64(0)
	switch r.TLS.Version {
	case tls12:
		room = 1
	case tls13:
	default:
		return false
	}
	return r.HasStart && r.Gen == 0 && r.Start <= room
}

const (
	tls12 event.Version = 0x0303
	tls13 event.Version = 0x0304
)

// minText is the number of characters that make a text among other bytes.
const minText = 3

// maskTexts masks the texts among other bytes, in UTF-16 too, where each other byte is zero.
// The text at the end of the stretch may be longer than it seems, and so may the one at its
// beginning if mid is set. It returns whether the next stretch may begin within a text.
func (s *stream) maskTexts(from, to uint64, mid bool) bool {
	b := s.bytes(from, to)
	for i := 0; i < len(b); {
		if mid && b[i] == 0 {
			i++
			continue
		}
		n, chars := textLen(b[i:])
		ends := n > 0 && i+n >= len(b)-1
		if (chars >= minText || mid && n > 0 || ends) && !s.rules.off {
			s.mask(from+uint64(i), from+uint64(i+n))
		}
		mid = ends
		i += max(n, 1)
	}
	return mid
}

// textLen is the length of the text at the beginning of b, in bytes and in characters.
func textLen(b []byte) (n, chars int) {
	for n < len(b) {
		at := n
		if b[n] == 0 && n > 0 {
			at++
		}
		r, size := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError || !safe.Printable(r) {
			break
		}
		n, chars = at+size, chars+1
	}
	return n, chars
}

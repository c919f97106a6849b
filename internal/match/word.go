package match

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (w *Word) eval(s *Subject) Answer {
	var room [256]byte
	b := room[:0]
	if p := s.Proc; p != nil {
		b = end(append(b, p.Name()...))
		b = end(strconv.AppendUint(b, uint64(p.PID), 10))
		b = end(append(b, p.Container...))
	}
	if c := s.Conn; c != nil {
		b = end(c.LAddr.AppendTo(b))
		b = end(c.RAddr.AppendTo(b))
		b = end(strconv.AppendUint(b, uint64(c.LPort), 10))
		b = end(strconv.AppendUint(b, uint64(c.RPort), 10))
	}
	if s.TLS != nil {
		b = end(append(b, s.TLS.Cipher.String()...))
	}
	if s.Type != nil {
		b = end(append(b, s.Type.String()...))
	}
	for _, t := range s.Text {
		b = end(append(b, t...))
	}
	return answer(bytes.Contains(lower(b), []byte(strings.ToLower(w.Text))))
}

// end keeps a word from being found across two fields.
func end(b []byte) []byte { return append(b, 0) }

// lower makes b lower case, in place where it is ASCII.
func lower(b []byte) []byte {
	for i, c := range b {
		switch {
		case c >= utf8.RuneSelf:
			return bytes.ToLower(b)
		case c >= 'A' && c <= 'Z':
			b[i] += 'a' - 'A'
		}
	}
	return b
}

package match

import (
	"bytes"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Word is a bare word: it matches if any text contains it, regardless of case.
type Word struct {
	Text  string
	lower []byte
}

func newWord(text string) *Word { return &Word{text, bytes.ToLower([]byte(text))} }

func (w *Word) eval(s *Subject) Answer {
	return answer(s.Proc != nil && w.inProcess(s.Proc) || s.Conn != nil && w.inConn(s.Conn) ||
		s.TLS != nil && w.inText(s.TLS.Cipher.String()) || s.Type != nil && w.inText(s.Type.String()) ||
		w.inHost(s) || w.inAny(s.Text))
}

func (w *Word) inProcess(p *event.Process) bool {
	var room [32]byte
	return w.in(p.AppendName(room[:0])) || w.inNumber(uint64(p.PID)) || w.inPlace(p.Place)
}

func (w *Word) inPlace(p *event.Place) bool {
	return p != nil && (w.inText(p.Container) || w.inText(p.Unit) || w.inText(p.Namespace) || w.inText(p.Pod) || w.inText(p.ContainerName) || w.inText(p.PodUID))
}

func (w *Word) inConn(c *event.Conn) bool {
	return w.inText(c.KernelUser) || w.inAddr(c.LAddr) || w.inAddr(c.RAddr) || w.inNumber(uint64(c.LPort)) || w.inNumber(uint64(c.RPort))
}

func (w *Word) inHost(s *Subject) bool {
	host, _ := s.host()
	return w.inText(host)
}

func (w *Word) inAny(texts []string) bool {
	for _, t := range texts {
		if w.inText(t) {
			return true
		}
	}
	return false
}

func (w *Word) inText(s string) bool {
	var room [64]byte
	return w.in(append(room[:0], s...))
}

func (w *Word) inAddr(a netip.Addr) bool {
	var room [64]byte
	return w.in(a.AppendTo(room[:0]))
}

func (w *Word) inNumber(n uint64) bool {
	var room [20]byte
	return w.in(strconv.AppendUint(room[:0], n, 10))
}

// in reports whether b, of which nothing is left, contains the word.
func (w *Word) in(b []byte) bool { return bytes.Contains(lower(b), w.lower) }

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

package inspect

import (
	"bytes"
	"strings"

	"golang.org/x/net/http2"
)

// guess is the decoder of what is not known to be HTTP. Whenever a record begins
// it looks whether a message does.
type guess struct {
	plain masker
	// hide says that what cannot be told is HPACK perhaps, and not to be shown.
	hide bool
	// why the field blocks of an HTTP/2 that is found cannot be decoded.
	why string
}

func newGuess(s *stream) *guess {
	if s.fresh {
		return &guess{}
	}
	g := newLostGuess()
	if !s.order.gap {
		g.why = "the trace joined in the middle"
	}
	return g
}

// newLostGuess is for a stream of which the beginning is not at hand.
func newLostGuess() *guess {
	return &guess{plain: masker{state: unknown}, why: "records before it were not seen"}
}

type protocol uint8

const (
	other protocol = iota
	undecided
	isHTTP1
	isPreface // of an HTTP/2 client
	isHTTP2
)

func (g *guess) step(s *stream) bool {
	switch b := s.rest(); g.protocol(s, b) {
	case undecided:
		return false
	case isHTTP1:
		g.plain.end(s)
		s.decoder = &http1{}
	case isPreface:
		g.plain.end(s)
		s.conn.setClient(s.dir)
		s.decoder = newHTTP2(s, true, "")
	case isHTTP2:
		g.plain.end(s)
		if g.why == "" {
			s.conn.setClient(s.dir ^ 1)
		}
		s.decoder = newHTTP2(s, false, g.why)
	default:
		g.settle(s)
	}
	return true
}

func (g *guess) protocol(s *stream, b []byte) protocol {
	switch {
	case s.conn.tunnel:
		return other
	case strings.HasPrefix(http2.ClientPreface, string(b[:min(len(b), len(http2.ClientPreface))])):
		if len(b) < len(http2.ClientPreface) {
			return undecided
		}
		return isPreface
	case b[0] == 0:
		return frames(b, g.why == "")
	}
	return startLine(b)
}

func (g *guess) pending(*stream) (uint64, bool) { return g.plain.pending() }

// settle shows the rest as text, but for what may be the middle of a field block.
func (g *guess) settle(s *stream) {
	b := s.rest()
	switch {
	case len(b) == 0:
	case g.hide:
		s.hide(len(b), "bytes between frames that were not seen whole")
	case g.why != "" && g.plain.hidden < maxUnknown && !isText(b):
		s.hide(len(b), "bytes behind some that were not seen")
		g.plain.hidden, g.plain.state = g.plain.hidden+len(b), unknown
	default:
		s.text(&g.plain, len(b))
	}
}

// isText reports whether b has no controls but those of lines. Field blocks and
// frames have others.
func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f })
}

// gap: the next byte may be in the middle of any line.
func (g *guess) gap(s *stream, _ uint64) {
	g.plain.interrupt(s, unknown)
	if g.why == "" {
		g.why = "records before it were not seen"
	}
}

func (g *guess) end(s *stream) { g.plain.end(s) }

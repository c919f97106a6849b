package inspect

import (
	"bytes"
	"strings"

	"golang.org/x/net/http2"
)

// guess is the decoder of a stream whose protocol is not known. At each beginning of a record
// it tests whether a message begins.
type guess struct {
	plain masker
	// begun says that the beginning of the protocol is certainly here. The first record of
	// a key does not prove it: there may have been early data, or the program may have sent
	// data before it handed its keys to the kernel.
	begun bool
	// whole reports that, by the number of the record, nothing came before what was seen.
	whole bool
	// midText: the latest bytes that are not text ended with the possible beginning of one.
	midText bool
	watch   watch
	// hide reports that undecodable bytes may be HPACK, or belong to a binary protocol, and
	// must not be shown.
	hide bool
	// noted reports that a note has said why text is masked.
	noted bool
	// prompt is the latest request for credentials in this direction.
	prompt prompt
	// resp: the bytes were perhaps the middle of a message of redis, and the next ones may
	// be too.
	resp bool
	// why the field blocks of HTTP/2 cannot be decoded.
	why reason
}

func newGuess(s *stream) *guess {
	if s.fresh {
		return &guess{plain: masker{talk: true}, whole: s.now != nil && isFirst(s.now)}
	}
	g := newLostGuess()
	if !s.order.gap {
		g.why = joinedLate
	}
	return g
}

const joinedLate reason = "the trace joined in the middle"

// newDatagram is for a record that is a complete message.
func newDatagram() *guess { return &guess{plain: masker{talk: true}, begun: true} }

// newLostGuess is for a stream whose beginning is missing.
func newLostGuess() *guess {
	g := &guess{plain: masker{talk: true}, why: "records before it were not seen"}
	g.plain.urls.state = inPartial
	g.plain.state = unknown
	return g
}

type protocol uint8

const (
	other protocol = iota
	undecided
	isHTTP1
	isPreface // of an HTTP/2 client
	isHTTP2
)

func (g *guess) decode(s *stream) bool {
	b := s.rest()
	switch g.storage(s, b) {
	case unclear:
		return false
	case certain:
		return true
	}
	if d, v := g.dialect(s, b); v == perhaps {
		return false
	} else if d != nil {
		g.plain.cut(s)
		s.decoder = newMessages(s, s.conn.talk(s, d, v, g.why != ""))
		return true
	}
	switch g.protocol(s, b) {
	case undecided:
		return false
	case isHTTP1:
		g.plain.cut(s)
		s.conn.web = true
		s.decoder = &http1{}
	case isPreface:
		g.plain.cut(s)
		s.conn.web = true
		s.conn.setClient(s.dir)
		s.decoder = newHTTP2(s, true, "")
	case isHTTP2:
		g.plain.cut(s)
		s.conn.web = true
		if g.why == "" {
			s.conn.setClient(s.dir ^ 1)
		}
		s.decoder = newHTTP2(s, false, g.why)
	default:
		if s.conn.dialogue != nil && g.why == "" && !g.hide && isText(b) { // the bytes did not match the protocol after all
			g.text(s, b)
		} else {
			g.flush(s)
		}
	}
	return true
}

// dialect looks for a protocol other than HTTP, where HTTP was not spoken.
func (g *guess) dialect(s *stream, b []byte) (*dialect, verdict) {
	if s.conn.web || s.conn.tunnel || s.datagrams {
		return nil, no
	}
	return speaks(s, b, g.why == "")
}

func (g *guess) protocol(s *stream, b []byte) protocol {
	switch {
	case s.conn.tunnel || s.conn.dialogue != nil:
		return other
	case strings.HasPrefix(http2.ClientPreface, string(b[:min(len(b), len(http2.ClientPreface))])):
		if len(b) < len(http2.ClientPreface) {
			return undecided
		}
		return isPreface
	case b[0] == 0:
		if p := frames(b, g.why == ""); p != other || g.why != "" || g.begun {
			return p
		}
		g.why = "it began before what was seen"
		return frames(b, false)
	}
	return startLine(b)
}

func (g *guess) pending(*stream) (uint64, bool) { return g.plain.pending() }

// flush shows the remaining bytes as text, except for what may be the middle of a field
// block.
func (g *guess) flush(s *stream) {
	b := s.rest()
	switch {
	case len(b) == 0:
	case s.rules.off:
		s.talk(&g.plain, len(b))
	case s.conn.dialogue != nil:
		s.hide(len(b), "bytes of a message that was not seen whole")
		g.hide = true // and text in the bytes to come
	case g.mayStore(s):
		s.hide(len(b), "bytes of files or blocks, perhaps")
	case g.mayBeRESP(s, b):
		s.hide(len(b), "bytes of a command or a reply of redis, perhaps, that was not seen whole")
	case g.hide:
		s.hide(len(b), "bytes between frames that were not seen whole")
	case !g.begun && (g.whole || g.plain.hidden < maxUnknown) && !isText(b):
		g.binary(s, b)
	default:
		g.text(s, b)
	}
}

// text shows bytes up to a frame with header fields.
func (g *guess) text(s *stream, b []byte) {
	g.answers(s, b)
	g.noteUnknown(s, b)
	n, found := g.watch.see(b)
	if !found {
		s.talk(&g.plain, len(b))
		return
	}
	s.talk(&g.plain, n)
	g.hide = true
	g.flush(s)
}

// noteUnknown notes once why a text without lines is masked, and how long.
func (g *guess) noteUnknown(s *stream, b []byte) {
	if g.noted || g.why != joinedLate || g.plain.state != unknown || s.rules.off || bytes.IndexByte(b, '\n') >= 0 {
		return
	}
	g.noted = true
	s.in.note(s, "text is masked to the end of its line, of %d bytes at most: the beginning of it was not seen, so that it may be the rest of a secret", maxUnknown)
}

// binary consumes bytes that are not text. If nothing came before them they are shown,
// except the texts among them, because credentials of binary protocols usually are texts.
func (g *guess) binary(s *stream, b []byte) {
	n, found := g.watch.see(b)
	switch {
	case !g.whole && s.fresh && s.conn.streams[s.dir^1].fresh:
		n = 0
		s.hide(len(b), "bytes that may go on with what was said before the kernel had the keys, or behind a gap")
	case !g.whole:
		n = 0
		s.hide(len(b), "bytes that may be the rest of a frame of HTTP/2")
	default:
		g.midText = s.maskTexts(s.pos, s.pos+uint64(n), g.midText)
		s.consumeTalk(n, "a protocol that is not known here, of which texts among other bytes are masked: "+seeAll)
	}
	g.hide = found
	g.plain.hidden, g.plain.state, g.plain.word.n = g.plain.hidden+len(b), unknown, 0
	if n > 0 {
		g.flush(s)
	}
}

// isText reports whether b has no control characters except line breaks. Field blocks and
// frames have others.
func isText(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f })
}

// gap: the next byte may be in the middle of any line.
func (g *guess) gap(s *stream, _ uint64) {
	if s.conn.dialogue != nil {
		s.conn.dialogue.interrupt(s)
	}
	g.plain.interrupt(s, unknown)
	g.begun, g.whole, g.watch = false, false, watch{}
	if g.why == "" {
		g.why = "records before it were not seen"
	}
}

func (g *guess) end(s *stream) { g.plain.cut(s) }

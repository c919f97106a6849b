package inspect

import (
	"bytes"
	"encoding/binary"
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

// methods are those whose beginning is waited for: the ones of net/http and of
// WebDAV (RFC 4918). A request with another is recognised once HTTP is.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"}

// startLine looks for the first line of a message of HTTP/1.
func startLine(b []byte) protocol {
	if !begins(b, "HTTP/1.") && !beginsMethod(b) {
		return other
	}
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0 && len(b) < maxStartLine:
		return undecided
	case i < 0 || !isStartLine(b[:i]):
		return other
	}
	return isHTTP1
}

func beginsMethod(b []byte) bool {
	for _, m := range methods {
		if begins(b, m+" ") {
			return true
		}
	}
	return false
}

// begins reports whether b begins with s, or may do so when more of it comes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// isStartLine tells a whole line that begins a message, RFC 9112 §3 and §4.
func isStartLine(line []byte) bool {
	line = bytes.TrimRight(line, "\r")
	if bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return true
	}
	i := bytes.LastIndexByte(line, ' ')
	return i > 0 && bytes.HasPrefix(line[i+1:], []byte("HTTP/1.")) && bytes.IndexByte(line, ' ') < i
}

const frameHeaderLen = 9 // RFC 9113 §4.1

// frames looks whether b is a sequence of frames. At the very beginning of a
// stream it is, if a server's SETTINGS are the first.
func frames(b []byte, first bool) protocol {
	if len(b) < frameHeaderLen {
		return undecided
	}
	f := parseFrame(b)
	if first {
		if f.Type == http2.FrameSettings && f.Flags == 0 && f.plausible() {
			return isHTTP2
		}
		return other
	}
	for len(b) >= frameHeaderLen {
		if f = parseFrame(b); !f.plausible() {
			return other
		}
		b = b[min(len(b), frameHeaderLen+int(f.Length)):]
	}
	return isHTTP2
}

// frame is the header of a frame of HTTP/2.
type frame struct{ http2.FrameHeader }

// parseFrame reads what http2.ReadFrameHeader does, from at least 9 bytes.
func parseFrame(b []byte) frame {
	return frame{http2.FrameHeader{
		Length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:   http2.FrameType(b[3]), Flags: http2.Flags(b[4]),
		StreamID: binary.BigEndian.Uint32(b[5:]),
	}}
}

// plausible reports whether a frame may be one: RFC 9113 §6 says which lengths
// and streams the types have. Extensions are not looked for, nor the millionth
// stream of a connection.
func (f frame) plausible() bool {
	ofStream := f.StreamID != 0 && f.StreamID < 1<<20
	switch f.Type {
	case http2.FrameData, http2.FrameHeaders, http2.FrameContinuation, http2.FramePushPromise:
		return ofStream && f.Length <= 16384
	case http2.FrameRSTStream:
		return ofStream && f.Length == 4
	case http2.FramePriority:
		return ofStream && f.Length == 5
	case http2.FrameSettings:
		return f.StreamID == 0 && f.Length%6 == 0 && f.Length < 600
	case http2.FramePing:
		return f.StreamID == 0 && f.Length == 8
	case http2.FrameWindowUpdate:
		return f.StreamID < 1<<20 && f.Length == 4
	case http2.FrameGoAway:
		return f.StreamID == 0 && f.Length >= 8 && f.Length <= 16384
	}
	return false
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

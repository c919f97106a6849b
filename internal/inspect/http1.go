package inspect

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// http1 decodes HTTP/1 (RFC 9112).
type http1 struct {
	lines   masker // of heads and chunk sizes
	content masker // of bodies
	phase   phase
	scanned int // bytes of an incomplete head
	// within says that the latest body ended within a line. If its length was false,
	// the line continues, and so does a secret in it.
	within    bool
	remaining uint64 // remaining bytes of the body or chunk
	// at is the message in progress, of request or response.
	at *finding.Message
	ex *exchange
	// guessed is a body that does not exist if the request was HEAD, when the request
	// was not seen.
	guessed bool
}

type phase uint8

const (
	inHead phase = iota
	inBody
	inChunkSize
	inChunk
	afterChunk
	inTrailer
	untilClose
)

func (h *http1) decode(s *stream) bool {
	switch h.phase {
	case inHead:
		return h.head(s)
	case inBody, inChunk, untilClose:
		return h.body(s)
	default:
		return h.line(s)
	}
}

// head waits for a complete head.
func (h *http1) head(s *stream) bool {
	b := s.rest()
	if n := blank(b); n > 0 { // RFC 9112 §2.2
		s.text(&h.lines, n)
		return true
	}
	if h.within && startLine(b) == other {
		return h.lose(s, "this goes on behind the length that the head said")
	}
	n := headLen(b, h.scanned)
	if n < 0 && len(b) <= maxHead && mayBeHead(b) {
		h.scanned = len(b)
		return false
	}
	h.scanned = 0
	if n < 0 || !mayBeHead(b) {
		return h.lose(s, "this is not a head of HTTP/1, or one of more than 128 KiB")
	}
	return h.message(s, n)
}

// blank is the number of bytes of empty lines at the beginning of b.
func blank(b []byte) int {
	n := 0
	for n < len(b) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	return n
}

// headLen is the length of the head at the beginning of b, -1 if it is not complete.
// The first scanned bytes are known not to have its end.
func headLen(b []byte, scanned int) int {
	from := max(scanned-3, 0)
	for i := from; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return -1
		}
		i += j
		rest := b[i+1:]
		if len(rest) > 0 && rest[0] == '\n' {
			return i + 2
		}
		if len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n' {
			return i + 3
		}
	}
	return -1
}

func mayBeHead(b []byte) bool {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return len(b) < maxStartLine && b[0] > ' '
	}
	return isStartLine(b[:i])
}

// message handles a head of n bytes.
func (h *http1) message(s *stream, n int) bool {
	raw := s.rest()[:n]
	if bytes.HasPrefix(raw, []byte("HTTP/")) {
		return h.response(s, raw)
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return h.lose(s, "this request cannot be read: its head is malformed")
	}
	h.ex = s.conn.request(s)
	h.lines.write(s, s.pos, s.pos+uint64(n))
	r := &finding.Request{}
	first, fields := cutHead(raw, s.masked(s.pos, s.pos+uint64(n)))
	r.Method, r.Path = first.word(0), first.word(1)
	r.Host, r.Headers = fields.get("host"), fields
	h.ex.method = req.Method
	h.ex.ev.Version = strings.TrimPrefix(req.Proto, "HTTP/")
	h.ex.ev.Request = r
	s.in.join.addRequest(h.ex)
	h.begin(s, n, &r.Message)
	h.framing(s, req.TransferEncoding, req.ContentLength, false)
	return true
}

func (h *http1) response(s *stream, raw []byte) bool {
	method := s.conn.awaited()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), &http.Request{Method: method})
	if err != nil {
		return h.lose(s, "this response cannot be read: its head is malformed")
	}
	n := len(raw)
	if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols { // RFC 9110 §15.2
		s.text(&h.lines, n)
		return true
	}
	h.ex = s.conn.response(s)
	h.lines.write(s, s.pos, s.pos+uint64(n))
	r := &finding.Response{Status: resp.StatusCode}
	_, r.Headers = cutHead(raw, s.masked(s.pos, s.pos+uint64(n)))
	h.ex.ev.Version = strings.TrimPrefix(resp.Proto, "HTTP/")
	h.ex.ev.Response = r
	h.begin(s, n, &r.Message)
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols,
		h.ex.method == http.MethodConnect && resp.StatusCode < 300:
		h.upgrade(s)
	case h.ex.method == http.MethodHead, resp.StatusCode < 200, resp.StatusCode == http.StatusNoContent,
		resp.StatusCode == http.StatusNotModified:
		h.finish(s, finding.Complete)
	default:
		h.guessed = h.ex.ev.Request == nil
		h.framing(s, resp.TransferEncoding, resp.ContentLength, true)
	}
	return true
}

func (h *http1) begin(s *stream, n int, m *finding.Message) {
	h.at = m
	m.HeadLen = uint64(n)
	s.consume(n, Text, "")
	h.content = masker{}
	h.guessed, h.within = false, false
}

// finish ends the message.
func (h *http1) finish(s *stream, how finding.End) {
	h.within = h.content.state != lineBegins
	if how == finding.Complete {
		h.content.end(s)
	} else {
		h.content.cut(s)
	}
	h.phase, h.remaining = inHead, 0
	if h.at != nil {
		s.conn.ended(s, h.ex, h.at, how)
	}
	h.at, h.ex = nil, nil
}

// upgrade: both directions continue with another protocol.
func (h *http1) upgrade(s *stream) {
	h.finish(s, finding.Upgrade)
	s.conn.tunnel = true
	for _, one := range s.conn.streams {
		if d, ok := one.decoder.(*http1); ok && one != s {
			d.leave(one)
		}
	}
	h.leave(s)
}

// leave returns the stream to the guess.
func (h *http1) leave(s *stream) {
	h.content.cut(s)
	h.lines.cut(s)
	s.decoder = &guess{plain: masker{talk: true}, begun: true}
}

// lose gives up until a record begins with a message.
func (h *http1) lose(s *stream, why reason) bool {
	s.in.note(s, why+"; decoding goes on where a record begins with a message")
	h.cut(s, finding.Gap)
	s.conn.unsure()
	s.decoder = newLostGuess()
	s.decoder.flush(s)
	return false
}

// cut ends the message in progress prematurely.
func (h *http1) cut(s *stream, how finding.End) {
	if h.at != nil {
		h.finish(s, how)
	}
	h.content.cut(s)
	h.lines.cut(s)
}

func (h *http1) pending(*stream) (uint64, bool) {
	at, ok := h.lines.pending()
	if other, also := h.content.pending(); also && (!ok || other < at) {
		return other, true
	}
	return at, ok
}

// flush consumes an incomplete head or line.
func (h *http1) flush(s *stream) {
	if n := len(s.rest()); n > 0 {
		if h.within {
			h.lines.interrupt(s, unknown)
		}
		s.text(&h.lines, n)
	}
	h.scanned = 0
}

// gap: a body that continues after it can still be counted.
func (h *http1) gap(s *stream, n uint64) {
	if n > 0 && (h.phase == untilClose || h.remaining >= n) {
		h.skip(s, n)
		return
	}
	if n > 0 {
		s.in.note(s, "bytes are missing here: decoding goes on where a record begins with a message")
	}
	h.cut(s, finding.Gap)
	s.conn.unsure()
	s.decoder = newLostGuess()
}

// end: the connection closes, and this ends a body without length.
func (h *http1) end(s *stream) {
	how := finding.Closed
	if h.phase == untilClose {
		how = finding.Complete
	}
	h.cut(s, how)
}

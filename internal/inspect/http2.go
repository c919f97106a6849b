package inspect

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// h2 decodes HTTP/2 (RFC 9113).
type h2 struct {
	preface bool // the client's preface is still missing
	reader  *bytes.Reader
	framer  *http2.Framer
	hpack   *hpack.Decoder
	// broken says why field blocks cannot be decoded, empty if they can.
	broken reason
	joined bool // where frames seemed to begin, after bytes that were not seen
	block  fieldBlock
	data   dataFrame
	stray  masker // of DATA whose stream is not known
}

func newHTTP2(s *stream, preface bool, broken reason) *h2 {
	h := &h2{preface: preface, reader: bytes.NewReader(nil), broken: broken, joined: broken != ""}
	h.framer = http2.NewFramer(nil, h.reader)
	h.framer.AllowIllegalReads = true
	h.framer.SetMaxReadFrameSize(maxHead)
	h.hpack = hpack.NewDecoder(4096, nil)
	h.hpack.SetMaxStringLength(maxHead)
	h.hpack.SetAllowedMaxDynamicTableSize(maxTable)
	if broken != "" {
		s.in.note(s, "header fields of this HTTP/2 cannot be decoded: "+broken)
	}
	return h
}

func (h *h2) decode(s *stream) bool {
	switch {
	case h.preface:
		if len(s.rest()) < len(http2.ClientPreface) {
			return false
		}
		h.preface = false
		s.consume(len(http2.ClientPreface), Frame, "HTTP/2 client preface")
		return true
	case h.data.open:
		return h.body(s)
	}
	return h.frame(s)
}

// frame handles a frame, for DATA its header.
func (h *h2) frame(s *stream) bool {
	b := s.rest()
	if len(b) < frameHeaderLen {
		return false
	}
	f := parseFrame(b)
	f.StreamID &= 1<<31 - 1
	if h.block.open && (f.Type != http2.FrameContinuation || f.StreamID != h.block.stream) { // RFC 9113 §6.10
		return h.lose(s, "this HTTP/2 frame cuts a field block in two")
	}
	if f.Type == http2.FrameData {
		if h.joined && !f.mayBeData() { // the bytes were not a frame after all
			return h.lose(s, "this is no HTTP/2 frame")
		}
		return h.beginData(s, f, b)
	}
	n := frameHeaderLen + int(f.Length)
	if n > maxHead {
		return h.lose(s, "this HTTP/2 frame has %d bytes", uint64(n))
	}
	if len(b) < n {
		return false
	}
	h.reader.Reset(b[:n])
	parsed, err := h.framer.ReadFrame()
	var ofStream http2.StreamError
	if err != nil && !errors.As(err, &ofStream) {
		return h.lose(s, "this is no HTTP/2 frame")
	}
	if err != nil && f.Type == http2.FrameHeaders { // the framer returns no frame then
		return h.lose(s, falsePadding)
	}
	h.consume(s, f, parsed, n)
	return true
}

// consume handles a whole frame of n bytes.
func (h *h2) consume(s *stream, f frame, parsed http2.Frame, n int) {
	note := f.String()
	switch p := parsed.(type) {
	case *http2.HeadersFrame:
		h.block = fieldBlock{stream: f.StreamID, endStream: p.StreamEnded(), open: true}
		note += h.fragment(s, p.HeaderBlockFragment(), p.HeadersEnded())
	case *http2.PushPromiseFrame:
		h.block = fieldBlock{stream: f.StreamID, promised: p.PromiseID, open: true}
		note += h.fragment(s, p.HeaderBlockFragment(), p.HeadersEnded())
	case *http2.ContinuationFrame:
		if !h.block.open { // of a block whose beginning was not seen, if there was one
			h.fail(s, "a field block has no beginning")
			h.block = fieldBlock{stream: f.StreamID, open: true}
		}
		note += h.fragment(s, p.HeaderBlockFragment(), p.HeadersEnded())
	case *http2.UnknownFrame: // of an extension, or not a frame
	default:
		if reset, ok := parsed.(*http2.RSTStreamFrame); ok {
			note += ": " + reset.ErrCode.String()
			s.conn.drop(s, f.StreamID, finding.Reset)
		}
		var m masker
		m.write(s, s.pos+frameHeaderLen, s.pos+uint64(n))
		m.cut(s)
		s.consume(n, Frame, note)
		return
	}
	// The bytes of HPACK must not show secrets.
	s.consume(frameHeaderLen, Frame, note)
	s.hide(n-frameHeaderLen, "")
}

// endStream ends one direction of a stream, and the whole stream with the response.
func (h *h2) endStream(s *stream, id uint32) {
	ex, ok := s.conn.open[id]
	if !ok {
		return
	}
	side := &ex.sides[s.dir]
	side.content.end(s)
	side.ended = true
	response := ex.ev.Response != nil && side.message == &ex.ev.Response.Message
	if response || ex.sides[s.dir^1].ended || s.conn.oneWay(s.dir) {
		s.conn.drop(s, id, finding.Complete)
	}
}

// lose gives up until frames are recognised again.
func (h *h2) lose(s *stream, why reason, numbers ...uint64) bool {
	s.in.note(s, why+"; decoding goes on where a record begins with frames", numbers...)
	h.leave(s)
	s.decoder.flush(s)
	return false
}

// leave returns the stream to the guess.
func (h *h2) leave(s *stream) {
	h.end(s)
	for _, ex := range s.conn.open {
		ex.gap = ex.gap || !ex.sides[s.dir].ended
	}
	g := newLostGuess()
	g.hide = true
	s.decoder = g
}

func (h *h2) pending(s *stream) (at uint64, some bool) {
	at, some = h.stray.pending()
	for _, ex := range s.conn.open {
		if one, ok := ex.sides[s.dir].content.pending(); ok && (!some || one < at) {
			at, some = one, true
		}
	}
	return at, some
}

// flush consumes an incomplete frame and shows none of it.
func (h *h2) flush(s *stream) {
	if n := len(s.rest()); n > 0 {
		s.hide(n, "a frame that was not seen whole")
	}
}

// gap: a DATA frame that continues after it can still be counted.
func (h *h2) gap(s *stream, n uint64) {
	if n > 0 && h.data.open && h.data.remaining >= n {
		m, message := h.target(s)
		m.interrupt(s, inText)
		if message != nil {
			message.BodyLen += n
		}
		if h.data.remaining -= n; h.data.remaining+h.data.pad == 0 {
			h.dataEnds(s)
		}
		return
	}
	if n > 0 {
		s.in.note(s, "bytes are missing here: decoding goes on where a record begins with frames")
	}
	h.leave(s)
}

// end decides about all text of this direction.
func (h *h2) end(s *stream) {
	h.stray.cut(s)
	for _, ex := range s.conn.open {
		ex.sides[s.dir].content.cut(s)
	}
}

// String describes a frame in one line.
func (f frame) String() string {
	s := "HTTP/2 " + f.Type.String()
	if f.StreamID != 0 {
		s += " stream " + strconv.FormatUint(uint64(f.StreamID), 10)
	}
	s += ", " + strconv.FormatUint(uint64(f.Length), 10) + " bytes"
	if f.Flags.Has(http2.FlagDataEndStream) && f.Type <= http2.FrameHeaders {
		s += ", END_STREAM"
	}
	return s
}

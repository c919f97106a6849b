package inspect

import (
	"golang.org/x/net/http2"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

const falsePadding reason = "the padding of this HTTP/2 frame is longer than it"

// dataFrame is the remaining part of a DATA frame.
type dataFrame struct {
	stream         uint32
	remaining, pad uint64
	endStream      bool
	open           bool
}

// beginData handles the header of a DATA frame, and the length of its padding.
func (h *h2) beginData(s *stream, f frame, b []byte) bool {
	n, pad := frameHeaderLen, 0
	if f.Flags.Has(http2.FlagDataPadded) && f.Length > 0 {
		if n++; len(b) < n {
			return false
		}
		pad = int(b[frameHeaderLen])
	}
	left := int(f.Length) - (n - frameHeaderLen) - pad
	if left < 0 {
		return h.lose(s, falsePadding)
	}
	h.data = dataFrame{stream: f.StreamID, remaining: uint64(left), pad: uint64(pad), open: true,
		endStream: f.Flags.Has(http2.FlagDataEndStream)}
	if _, known := s.conn.open[f.StreamID]; !known {
		h.stray.interrupt(s, lineBegins) // of another stream, perhaps
	}
	s.consume(n, Frame, f.String())
	if left+pad == 0 {
		h.dataEnds(s)
	}
	return true
}

// body consumes the bytes of a DATA frame that are there.
func (h *h2) body(s *stream) bool {
	have := uint64(len(s.rest()))
	if n := min(have, h.data.remaining); n > 0 {
		m, message := h.target(s)
		s.text(m, int(n))
		if message != nil {
			message.BodyLen += n
		}
		h.data.remaining -= n
		have -= n
	}
	if n := min(have, h.data.pad); h.data.remaining == 0 && n > 0 {
		s.hide(int(n), "")
		h.data.pad -= n
	}
	if h.data.remaining+h.data.pad == 0 {
		h.dataEnds(s)
	}
	return true
}

// target returns what masks the DATA and what counts it.
func (h *h2) target(s *stream) (*masker, *finding.Message) {
	ex, ok := s.conn.open[h.data.stream]
	if !ok {
		return &h.stray, nil
	}
	side := &ex.sides[s.dir]
	return &side.content, side.message
}

func (h *h2) dataEnds(s *stream) {
	h.data.open = false
	if h.data.endStream {
		h.endStream(s, h.data.stream)
	}
}

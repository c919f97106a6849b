package inspect

import (
	"bytes"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// framing says where the body ends, RFC 9112 §6.3.
func (h *http1) framing(s *stream, encodings []string, length int64, response bool) {
	switch {
	case len(encodings) > 0:
		h.phase = inChunkSize
	case length > 0:
		h.phase, h.remaining = inBody, uint64(length)
	case length < 0 && response:
		h.phase = untilClose
	default:
		h.finish(s, finding.Complete)
	}
}

// body consumes the bytes of the body that are there.
func (h *http1) body(s *stream) bool {
	b := s.rest()
	if h.guessed && h.at.BodyLen == 0 && startLine(b) == isHTTP1 {
		h.finish(s, finding.Complete)
		return true
	}
	n := len(b)
	if h.phase != untilClose {
		n = int(min(uint64(n), h.remaining))
		h.remaining -= uint64(n)
	}
	h.at.BodyLen += uint64(n)
	s.text(&h.content, n)
	if h.remaining > 0 || h.phase == untilClose {
		return true
	}
	h.bodyEnds(s)
	return true
}

// bodyEnds continues after the last byte of a body or a chunk.
func (h *http1) bodyEnds(s *stream) {
	if h.phase == inChunk {
		h.phase = afterChunk
		return
	}
	h.finish(s, finding.Complete)
}

// line handles a line between chunks, RFC 9112 §7.1.
func (h *http1) line(s *stream) bool {
	b := s.rest()
	i := bytes.IndexByte(b, '\n')
	if h.phase == afterChunk && b[0] != '\r' && i != 0 {
		return h.lose(s, "this is not chunked as the head said")
	}
	if i < 0 {
		if len(b) > maxStartLine {
			return h.lose(s, "this is not chunked as the head said")
		}
		return false
	}
	line := bytes.TrimRight(b[:i], "\r")
	size, ok := chunkSize(line)
	switch {
	case h.phase == inChunkSize && !ok, h.phase == afterChunk && len(line) > 0:
		return h.lose(s, "this is not chunked as the head said")
	case h.phase == afterChunk:
		h.phase = inChunkSize
	case h.phase == inChunkSize && size == 0:
		h.phase = inTrailer
	case h.phase == inChunkSize:
		h.phase, h.remaining = inChunk, size
	case len(line) == 0:
		s.text(&h.lines, i+1)
		h.finish(s, finding.Complete)
		return true
	}
	s.text(&h.lines, i+1)
	return true
}

// chunkSize reads the hexadecimal size before extensions.
func chunkSize(line []byte) (size uint64, ok bool) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimSpace(line)
	for _, c := range line {
		d := bytes.IndexByte([]byte("0123456789abcdef"), c|' ')
		if d < 0 || size >= 1<<56 || c < '0' {
			return 0, false
		}
		size = size<<4 | uint64(d)
	}
	return size, len(line) > 0
}

// skip counts n bytes of the body that were not seen.
func (h *http1) skip(s *stream, n uint64) {
	h.at.BodyLen += n
	h.content.interrupt(s, inText)
	if h.phase == untilClose {
		return
	}
	if h.remaining -= n; h.remaining == 0 {
		h.bodyEnds(s)
	}
}

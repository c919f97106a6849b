package inspect

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/net/http2"
)

// methods are the methods that are recognised by their beginning: those of net/http and
// of WebDAV (RFC 4918). A request with another method is recognised once HTTP is.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"}

// startLine reports whether b begins with the first line of a message of HTTP/1.
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

// begins reports whether b begins with s, or may when more of it comes.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// isStartLine reports whether a whole line begins a message, RFC 9112 §3 and §4.
func isStartLine(line []byte) bool {
	line = bytes.TrimRight(line, "\r")
	if bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return true
	}
	i := bytes.LastIndexByte(line, ' ')
	return i > 0 && bytes.HasPrefix(line[i+1:], []byte("HTTP/1.")) && bytes.IndexByte(line, ' ') < i
}

const frameHeaderLen = 9 // RFC 9113 §4.1

// frames reports whether b is a sequence of frames. At the very beginning of a stream
// it is, if a server's SETTINGS come first.
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

// parseFrame does what http2.ReadFrameHeader does, with at least 9 bytes.
func parseFrame(b []byte) frame {
	return frame{http2.FrameHeader{
		Length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		Type:   http2.FrameType(b[3]), Flags: http2.Flags(b[4]),
		StreamID: binary.BigEndian.Uint32(b[5:]),
	}}
}

// plausible reports whether a frame is possible: RFC 9113 §6 defines the lengths and
// streams of each type. Extensions are not accepted, nor the millionth stream of a
// connection. DATA that is empty and ends nothing is more likely a row of zeros.
func (f frame) plausible() bool {
	ofStream := f.StreamID != 0 && f.StreamID < 1<<20
	switch f.Type {
	case http2.FrameData:
		return f.mayBeData() && f.Length <= 16384 && (f.Length > 0 || f.Flags.Has(http2.FlagDataEndStream))
	case http2.FrameHeaders, http2.FrameContinuation, http2.FramePushPromise:
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

// mayBeData reports whether a frame of DATA is possible, of any length.
func (f frame) mayBeData() bool {
	return f.StreamID != 0 && f.StreamID < 1<<20 && f.Flags&^(http2.FlagDataEndStream|http2.FlagDataPadded) == 0
}

package inspect

import "golang.org/x/net/http2"

// watch looks for frames of HTTP/2 with header fields in bytes that were not recognised
// as HTTP/2, at any position.
type watch struct {
	last [frameHeaderLen]byte // the latest bytes
	n    int                  // their number
}

// see handles the next bytes. It returns how many precede the content of such a frame.
func (w *watch) see(b []byte) (n int, found bool) {
	for ; n < len(b) && n < frameHeaderLen-1; n++ {
		if w.add(b[n]) {
			return n + 1, true
		}
	}
	if n == len(b) {
		return n, false
	}
	for at := 0; at+frameHeaderLen <= len(b); at++ {
		if b[at] == 0 && hasFields(b[at:]) {
			return at + frameHeaderLen, true
		}
	}
	w.n = copy(w.last[:], b[len(b)-frameHeaderLen+1:])
	return len(b), false
}

// add adds a byte; it may be the last of a frame's header.
func (w *watch) add(c byte) bool {
	if w.n == frameHeaderLen {
		w.n = copy(w.last[:], w.last[1:])
	}
	w.last[w.n] = c
	w.n++
	return w.n == frameHeaderLen && hasFields(w.last[:])
}

// hasFields reports whether b begins with the header of a frame with header fields, RFC
// 9113 §6.2, §6.6 and §6.10.
func hasFields(b []byte) bool {
	f := parseFrame(b)
	switch f.Type {
	case http2.FrameHeaders, http2.FramePushPromise, http2.FrameContinuation:
		return f.plausible() && f.Length > 0 && f.Flags&^0x2d == 0
	}
	return false
}

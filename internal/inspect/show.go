package inspect

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const indent = "    "

// AppendText appends the plaintext of a record in lines that are safe for a terminal.
// Bytes that are not text are counted, not shown; in an unknown protocol the first of
// them are shown in hex.
func AppendText(dst []byte, r *event.Record, pieces []Piece) []byte {
	before := len(dst)
	for _, p := range pieces {
		dst = appendNote(dst, p.Note)
		switch text := r.Payload[p.From:p.To]; {
		case p.Kind == Talk && !legible(text):
			dst = appendHex(dst, text)
		case p.Kind == Text, p.Kind == Talk:
			dst = appendLines(dst, text)
		}
	}
	if n := len(r.Payload); n > 0 && len(dst) == before {
		dst = append(strconv.AppendInt(append(dst, indent+"["...), int64(n), 10), " bytes, not shown]\n"...)
	}
	if missing := int(r.Len) - len(r.Payload); missing > 0 && r.Type == event.ApplicationData {
		dst = append(dst, indent+"[gap: "...)
		dst = strconv.AppendInt(dst, int64(missing), 10)
		dst = append(dst, " bytes were not captured]\n"...)
	}
	return dst
}

func appendNote(dst []byte, note string) []byte {
	for line := range bytes.Lines([]byte(note)) {
		dst = append(dst, indent+"| "...)
		dst = safe.Append(dst, bytes.TrimSuffix(line, []byte("\n")))
		dst = append(dst, '\n')
	}
	return dst
}

// hexRows is how many rows of hex are shown.
const hexRows = 8

func appendHex(dst, b []byte) []byte {
	n := min(len(b), hexRows*safe.RowBytes)
	for off := 0; off < n; off += safe.RowBytes {
		dst = append(safe.AppendHexRow(append(dst, indent...), off, b[off:n]), '\n')
	}
	if more := len(b) - n; more > 0 {
		dst = append(dst, indent+"["...)
		dst = strconv.AppendInt(dst, int64(more), 10)
		dst = append(dst, " more bytes]\n"...)
	}
	return dst
}

func appendLines(dst, text []byte) []byte {
	if !legible(text) {
		dst = append(dst, indent+"["...)
		dst = strconv.AppendInt(dst, int64(len(text)), 10)
		return append(dst, " bytes that are no text]\n"...)
	}
	for line := range bytes.Lines(text) {
		dst = append(dst, indent...)
		dst = safe.Append(dst, bytes.ReplaceAll(bytes.TrimRight(line, "\r\n"), []byte("\t"), []byte("    ")))
		dst = append(dst, '\n')
	}
	return dst
}

// legible reports whether at most one character in ten cannot be shown. A record may
// begin and end within a character.
func legible(text []byte) bool {
	bad, all := 0, 0
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		all++
		if r == utf8.RuneError && n < 2 || !safe.Printable(r) && r != '\n' && r != '\r' && r != '\t' {
			bad++
		}
	}
	return bad <= 3+all/10 && bad*2 < max(all, 1)+1
}

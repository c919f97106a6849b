package inspect

import (
	"bytes"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// maskedLine is a line as it was received and as it may be shown; both have the same length.
type maskedLine struct{ raw, shown []byte }

// word returns the nth word of the line, as it may be shown.
func (t maskedLine) word(n int) string {
	for ; ; n-- {
		i := bytes.IndexByte(t.raw, ' ')
		if i < 0 {
			i = len(t.raw)
		}
		if n == 0 {
			return string(t.shown[:i])
		}
		if i == len(t.raw) {
			return ""
		}
		t.raw, t.shown = t.raw[i+1:], t.shown[i+1:]
	}
}

// field splits a header line at its colon.
func (t maskedLine) field() (f finding.Header, ok bool) {
	i := bytes.IndexByte(t.raw, ':')
	if i < 0 {
		return f, false
	}
	return finding.Header{Name: string(t.shown[:i]), Value: strings.Trim(string(t.shown[i+1:]), " \t")}, true
}

// headers are the fields of a head.
type headers []finding.Header

// get returns the value of the first field with a name.
func (h headers) get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// cutHead splits a head of HTTP/1 that net/http could read. raw has the positions of the
// parts, shown their text.
func cutHead(raw, shown []byte) (first maskedLine, fields headers) {
	for n := 0; len(raw) > 0; n++ {
		i := bytes.IndexByte(raw, '\n') + 1
		if i == 0 {
			i = len(raw)
		}
		size := len(bytes.TrimRight(raw[:i], "\r\n"))
		line := maskedLine{raw[:size], shown[:size]}
		raw, shown = raw[i:], shown[i:]
		switch f, ok := line.field(); {
		case n == 0:
			first = line
		case size > 0 && (line.raw[0] == ' ' || line.raw[0] == '\t'):
			if last := len(fields) - 1; last >= 0 { // obs-fold, RFC 9112 §5.2
				fields[last].Value += " " + strings.Trim(string(line.shown), " \t")
			}
		case ok:
			fields = append(fields, f)
		}
	}
	return first, fields
}

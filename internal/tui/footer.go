package tui

import (
	"unicode/utf8"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// footer is the last line: what is being typed, what was done, or the keys.
func (m *Model) footer() line {
	switch {
	case m.mode == filtering:
		return m.prompt()
	case m.status != "" && m.statusBad:
		return line{{m.status, bad}}
	case m.status != "":
		return line{{m.status, good}}
	case m.mode == sorting:
		return line{{"enter sort  esc back", faint}}
	case m.mode == helping:
		return line{{"j/k scroll  q quit  any other key goes back", faint}}
	case m.detail != 0:
		return line{{"esc back  j/k scroll  x plaintext  p pause  q quit", faint}}
	}
	return m.keyLine()
}

// prompt shows the end of the filter, where the typing is.
func (m *Model) prompt() line {
	out := line{{"/", title}, {tail(m.input, m.width-2), plain}, {" ", chosen}}
	if m.status != "" {
		out = append(out, span{"  " + m.status, bad})
	}
	return out
}

// tail is the end of s in at most width columns.
func tail(s string, width int) string {
	for s != "" && safe.Width(s) > width {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	return s
}

func (m *Model) keyLine() line {
	var fields []field
	for i, b := range keys.short() {
		h := b.Help()
		fields = append(fields, field{span{h.Key + " " + h.Desc, faint}, i})
	}
	return pack(fields, m.width)
}

package tui

import (
	"strings"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// blank is what lines are padded from.
var blank = strings.Repeat(" ", 512)

func spaces(n int) string {
	if n <= 0 {
		return ""
	}
	if n > len(blank) {
		return strings.Repeat(" ", n)
	}
	return blank[:n]
}

// clip cuts s, safe text without escapes, to width columns; the cut shows.
func clip(s string, width int, cut string) string {
	if len(s) <= width || safe.Width(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	size, _ := safe.Prefix(s, width-1)
	return s[:size] + cut
}

// fit cuts or pads s to exactly width columns.
func fit(s string, width int, right bool, cut string) string {
	s = clip(s, width, cut)
	gap := spaces(width - safe.Width(s))
	if right {
		return gap + s
	}
	return s + gap
}

// span is a piece of a line. Its text is safe and has no escapes.
type span struct {
	text string
	tone tone
}

// line is a row of the screen before it is painted.
type line []span

func text(s string) line { return line{{text: s}} }

func (l line) width() (n int) {
	for _, s := range l {
		n += safe.Width(s.text)
	}
	return n
}

// clip cuts l to width columns.
func (l line) clip(width int, cut string) line {
	if l.width() <= width {
		return l
	}
	out := make(line, 0, len(l))
	for _, s := range l {
		w := safe.Width(s.text)
		if w >= width {
			return append(out, span{clip(s.text+" ", width, cut), s.tone})
		}
		out = append(out, s)
		width -= w
	}
	return out
}

// render paints l, cut to width columns.
func (l line) render(p *palette, width int, g *glyphs) string {
	var b strings.Builder
	for _, s := range l.clip(width, g.cut) {
		if g.pure {
			s.text = onlyASCII(s.text)
		}
		b.WriteString(p.paint(s.tone, s.text))
	}
	return b.String()
}

// onlyASCII puts question marks, as wide as they are, for all other characters.
func onlyASCII(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r > '~' {
			b.WriteString("??"[:safe.RuneWidth(r)])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Package picture turns a frame of the dashboard into SVG, for the README.
package picture

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The size of a character cell and the window's frame, in pixels.
const (
	cellW, cellH = 8.4, 18
	padding      = 14
	titleBar     = 30
	fontSize     = 14
)

// The colours of a dark terminal: the background, the text, and the eight that
// SGR 30 to 37 choose.
const background, foreground = "#1a1b26", "#c0caf5"

var colours = [8]string{"#414868", "#f7768e", "#9ece6a", "#e0af68", "#7aa2f7", "#bb9af7", "#7dcfff", "#c0caf5"}

// SVG draws a frame of lines with SGR sequences in a window of width columns.
// The same frame gives the same bytes.
func SVG(frame, title string, width int) []byte {
	lines := strings.Split(frame, "\n")
	w, h := float64(width)*cellW+2*padding, len(lines)*cellH+2*padding+titleBar
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, "<style>text{font:%dpx ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:%s;white-space:pre}.b{font-weight:bold}.f{opacity:.55}</style>\n",
		fontSize, foreground)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%d" rx="9" fill="%s"/>`+"\n", w, h, background)
	for i, c := range []string{"#f7768e", "#e0af68", "#9ece6a"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", 22+20*i, c)
	}
	fmt.Fprintf(&b, `<text x="%.0f" y="23" text-anchor="middle" class="f">%s</text>`+"\n", w/2, html.EscapeString(title))
	for row, line := range lines {
		drawLine(&b, line, float64(padding+titleBar+row*cellH))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// style is what SGR sequences have chosen.
type style struct {
	bold, faint, reverse bool
	colour               string // empty for the terminal's own
}

// run is text of one style from a column on.
type run struct {
	style
	text       string
	col, width int
}

// drawLine writes a line whose upper edge is at y.
func drawLine(b *bytes.Buffer, line string, y float64) {
	for _, r := range parse(line) {
		if r.reverse {
			rect(b, float64(r.col), y, float64(r.width), cellH, foreground, 1)
			r.colour = background
		}
		r.draw(b, y)
	}
}

// parse splits a line into runs.
func parse(line string) (out []run) {
	var now style
	var state byte
	p := ansi.NewParser()
	for col := 0; line != ""; {
		seq, width, n, next := ansi.DecodeSequence(line, state, p)
		line, state = line[n:], next
		if width == 0 {
			if ansi.Cmd(p.Command()).Final() == 'm' {
				now.choose(p.Params())
			}
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].style == now {
			out[last].text += seq
			out[last].width += width
		} else {
			out = append(out, run{now, seq, col, width})
		}
		col += width
	}
	return out
}

// choose obeys an SGR sequence, as far as the dashboard's palette goes.
func (s *style) choose(params ansi.Params) {
	params.ForEach(0, func(_, v int, _ bool) {
		switch {
		case v == 0:
			*s = style{}
		case v == 1:
			s.bold = true
		case v == 2:
			s.faint = true
		case v == 7:
			s.reverse = true
		case v >= 30 && v <= 37:
			s.colour = colours[v-30]
		}
	})
}

// draw writes a run word by word, so that words stand in their columns whatever
// the font, and the characters of pictures as rectangles, so that they meet.
func (r *run) draw(b *bytes.Buffer, y float64) {
	col := r.col
	word, at := "", col
	flush := func() {
		if word != "" {
			r.word(b, word, at, y)
		}
		word = ""
	}
	text := []rune(r.text)
	for i := 0; i < len(text); {
		c, n := text[i], 1
		switch box, isBox := boxes[c]; {
		case isBox:
			flush()
			for box.w == 1 && i+n < len(text) && text[i+n] == c {
				n++
			}
			rect(b, float64(col), y+box.y*cellH, box.w+float64(n-1), box.h*cellH, r.fill(), box.shade)
		case c == ' ':
			flush()
		default:
			if word == "" {
				at = col
			}
			word += string(c)
		}
		col += ansi.StringWidth(string(text[i : i+n]))
		i += n
	}
	flush()
}

func (r *run) fill() string {
	if r.colour == "" {
		return foreground
	}
	return r.colour
}

func (r *run) word(b *bytes.Buffer, word string, col int, y float64) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.0f" textLength="%.1f"`, padding+float64(col)*cellW, y+cellH-4.5, float64(ansi.StringWidth(word))*cellW)
	switch {
	case r.bold:
		b.WriteString(` class="b"`)
	case r.faint:
		b.WriteString(` class="f"`)
	}
	if r.colour != "" {
		fmt.Fprintf(b, ` style="fill:%s"`, r.colour)
	}
	fmt.Fprintf(b, ">%s</text>\n", html.EscapeString(word))
}

// rect fills part of the cells from column col on.
func rect(b *bytes.Buffer, col, y, width, height float64, fill string, shade float64) {
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"`, padding+col*cellW, y, width*cellW, height, fill)
	if shade < 1 {
		fmt.Fprintf(b, ` opacity="%.2g"`, shade)
	}
	b.WriteString("/>\n")
}

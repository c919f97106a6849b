// Package picture turns a frame of the dashboard into SVG, for the documents.
package picture

import (
	"bytes"
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The size of a character cell and the window's frame, in pixels.
const (
	cellW, cellH = 8.4, 18
	padding      = 14
	titleBar     = 30
	fontSize     = 14
	baseline     = 13.5 // of a line of text, below its upper edge
)

// The colours of a dark terminal: the background, the text, and the eight that
// SGR 30 to 37 choose.
const background, foreground = "#1a1b26", "#c0caf5"

var colours = [8]string{"#414868", "#f7768e", "#9ece6a", "#e0af68", "#7aa2f7", "#bb9af7", "#7dcfff", "#c0caf5"}

// SVG draws a frame of lines with SGR sequences in a window of width columns.
// The same frame gives the same bytes.
func SVG(frame, title string, width int) []byte {
	lines := strings.Split(frame, "\n")
	var b bytes.Buffer
	open(&b, title, width, len(lines), "")
	var now style // a line may go on in the style of the one before
	for row, line := range lines {
		now = drawRow(&b, line, row, "", now)
	}
	return end(&b)
}

// Width is the number of columns that a text takes.
func Width(text string) (columns int) {
	for line := range strings.Lines(text) {
		columns = max(columns, ansi.StringWidth(strings.TrimSuffix(line, "\n")))
	}
	return columns
}

// open writes the window with its title; css is added to the style sheet.
func open(b *bytes.Buffer, title string, width, rows int, css string) {
	w, h := float64(width)*cellW+2*padding, rows*cellH+2*padding+titleBar
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d">`+"\n", w, h, w, h)
	fmt.Fprintf(b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(b, "<style>text{font:%dpx ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:%s;white-space:pre}"+
		"g rect{shape-rendering:crispEdges;fill:%s}.b{font-weight:bold}.f{opacity:.55}", fontSize, foreground, foreground)
	for i, c := range colours {
		fmt.Fprintf(b, ".c%d{fill:%s}", i, c)
	}
	fmt.Fprintf(b, ".r{fill:%s}%s</style>\n", background, css)
	fmt.Fprintf(b, `<rect width="%.0f" height="%d" rx="9" fill="%s"/>`+"\n", w, h, background)
	for i, c := range []string{"#f7768e", "#e0af68", "#9ece6a"} {
		fmt.Fprintf(b, `<circle cx="%d" cy="18" r="6" fill="%s"/>`+"\n", 22+20*i, c)
	}
	fmt.Fprintf(b, `<text x="%.0f" y="23" text-anchor="middle" class="f">%s</text>`+"\n", w/2, html.EscapeString(title))
}

func end(b *bytes.Buffer) []byte {
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawRow writes a line at its place, in a group whose origin is the begin of its
// base line. class, if not empty, is for the style sheet. The line begins in one
// style, and ends in another.
func drawRow(b *bytes.Buffer, line string, row int, class string, begin style) (end style) {
	runs, end := parse(line, begin)
	if strings.TrimSpace(ansi.Strip(line)) == "" {
		return end
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, `<g%s transform="translate(%d,%s)">`+"\n", class, padding, number(padding+titleBar+float64(row)*cellH+baseline))
	for _, r := range runs {
		if r.reverse {
			rect(b, float64(r.col), 0, float64(r.width), cellH, "", 1)
			r.colour = "r"
		}
		r.draw(b)
	}
	b.WriteString("</g>\n")
	return end
}

// style is what SGR sequences have chosen.
type style struct {
	bold, faint, reverse bool
	colour               string // a class of the style sheet, empty for the terminal's own
}

// run is text of one style from a column on.
type run struct {
	style
	text       string
	col, width int
}

// parse splits a line, which begins in a style, into runs. It also returns the style
// at its end.
func parse(line string, now style) (out []run, end style) {
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
	return out, now
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
		case v == 39:
			s.colour = ""
		case v >= 30 && v <= 37:
			s.colour = "c" + strconv.Itoa(v-30)
		}
	})
}

// draw writes a run in pieces that two spaces separate, so that they stand in their
// columns whatever the font, and the characters of pictures as rectangles, so that
// they meet.
func (r *run) draw(b *bytes.Buffer) {
	col := r.col
	word, at := "", col
	flush := func() {
		if word != "" {
			r.word(b, word, at)
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
			rect(b, float64(col), box.y*cellH, box.w+float64(n-1), box.h*cellH, r.colour, box.shade)
		case c == ' ' && word != "" && i+1 < len(text) && text[i+1] != ' ' && !isBoxed(text[i+1]):
			word += " " // one space is part of a text
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

func (r *run) word(b *bytes.Buffer, word string, col int) {
	fmt.Fprintf(b, `<text x="%s" textLength="%s"%s>%s</text>`+"\n", number(float64(col)*cellW),
		number(float64(ansi.StringWidth(word))*cellW), classes(r.style), html.EscapeString(word))
}

// classes are those of a style.
func classes(s style) string {
	var all []string
	if s.bold {
		all = append(all, "b")
	} else if s.faint {
		all = append(all, "f")
	}
	if s.colour != "" {
		all = append(all, s.colour)
	}
	if len(all) == 0 {
		return ""
	}
	return ` class="` + strings.Join(all, " ") + `"`
}

// rect fills part of the cells from column col on; y is the distance from the upper
// edge of the line.
func rect(b *bytes.Buffer, col, y, width, height float64, colour string, shade float64) {
	fmt.Fprintf(b, `<rect x="%s" y="%s" width="%s" height="%s"%s`, number(col*cellW), number(y-baseline), number(width*cellW), number(height),
		classes(style{colour: colour}))
	if shade < 1 {
		fmt.Fprintf(b, ` opacity="%.2g"`, shade)
	}
	b.WriteString("/>\n")
}

// number is a length in pixels, to a tenth.
func number(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

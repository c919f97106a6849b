package picture

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// wellFormed fails where a browser would refuse the picture.
func wellFormed(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

// TestSVG: each piece of text has its column, its width and its colours.
func TestSVG(t *testing.T) {
	got := SVG("\x1b[1mbold\x1b[0m  \x1b[31mred\x1b[39m plain\nless <&> more  \x1b[7mselected\x1b[0m ██▌", "a & b", 30)
	wellFormed(t, got)
	for _, want := range []string{
		"<title>a &amp; b</title>",
		`<text x="0" textLength="33.6" class="b">bold</text>`,
		`<text x="50.4" textLength="25.2" class="c1">red</text>`,
		`textLength="42">plain</text>`,
		`>less &lt;&amp;&gt; more</text>`,
		`class="r">selected</text>`,
		`<rect x="201.6" y="-11" width="16.8" height="13.7"/>`, // two full blocks are one
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// TestSVGCarriesStyles: a line goes on in the style of the one before, as in a terminal.
func TestSVGCarriesStyles(t *testing.T) {
	got := SVG("\x1b[32mone\ntwo\x1b[0m\nthree", "", 10)
	for _, want := range []string{`class="c2">one<`, `class="c2">two<`, `textLength="42">three<`} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func TestWidth(t *testing.T) {
	if got := Width("a\n\x1b[1m日本\x1b[0m!\nbc\n"); got != 5 {
		t.Errorf("%d columns, want 5", got)
	}
}

// TestFilm: a row that stays is drawn once, and one that changes in each span; without
// animation the first frame shows.
func TestFilm(t *testing.T) {
	got := Film([]Frame{{"head\na", time.Second}, {"head\nb", time.Second}, {"head\nb\nc", 2 * time.Second}}, "", 10)
	wellFormed(t, got)
	text := string(got)
	for want, n := range map[string]int{
		">head<": 1, ">a<": 1, ">b<": 1, ">c<": 1,
		`<g class="s0-1" `: 1, `<g class="s1-3 h" `: 1, `<g class="s2-3 h" `: 1,
		".h{visibility:hidden}": 1,
		"@keyframes s0-1{0%{visibility:visible}25%{visibility:hidden}}":  1,
		"@keyframes s1-3{0%{visibility:hidden}25%{visibility:visible}}":  1,
		"animation:s2-3 4s step-end infinite":                            1,
		"@keyframes s2-3{0%{visibility:hidden}50%{visibility:visible}}}": 1,
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%d times %s, want %d, in\n%s", got, want, n, text)
		}
	}
}

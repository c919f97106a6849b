package tui

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// tone is the meaning of a piece of text, which a colour only underlines.
type tone uint8

const (
	plain tone = iota
	faint
	title
	good
	bad
	warn
	accent
	chosen
	first // the stages of a latency, and of a bar
	second
	third
	numTones
)

// palette draws tones. It uses the terminal's own sixteen colours alone, which
// suit its background, dark or light.
type palette [numTones]lipgloss.Style

func newPalette(noColor bool) *palette {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.ANSI)
	if noColor {
		r.SetColorProfile(termenv.Ascii)
	}
	style := func() lipgloss.Style { return r.NewStyle().Inline(true) }
	colour := func(c string) lipgloss.Style { return style().Foreground(lipgloss.Color(c)) }
	return &palette{
		plain: style(), faint: style().Faint(true), title: style().Bold(true),
		good: colour("2"), bad: colour("1").Bold(true), warn: colour("3"), accent: colour("6"),
		chosen: style().Reverse(true),
		first:  colour("4"), second: colour("5"), third: colour("2"),
	}
}

// paint returns s, which holds no newline, in the tone t.
func (p *palette) paint(t tone, s string) string {
	if t == plain || s == "" {
		return s
	}
	return p[t].Render(s)
}

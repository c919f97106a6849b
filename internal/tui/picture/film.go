package picture

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Frame is what the screen shows for some time.
type Frame struct {
	Text string
	For  time.Duration
}

// Film draws frames one after the other, over and over, in a window of width
// columns. A row that stays is drawn once. Where nothing moves, in a program
// without animation or for a reader who wants none, it is the picture of the
// first frame.
func Film(frames []Frame, title string, width int) []byte {
	f := film{from: make([]time.Duration, len(frames)+1)}
	rows := 0
	for i, frame := range frames {
		f.from[i+1] = f.from[i] + frame.For
		f.screens = append(f.screens, strings.Split(frame.Text, "\n"))
		rows = max(rows, len(f.screens[i]))
	}
	var b bytes.Buffer
	open(&b, title, width, rows, f.css(rows))
	for row := range rows {
		for from, to := range f.spans(row) {
			drawRow(&b, f.line(from, row), row, f.class(from, to), style{})
		}
	}
	return end(&b)
}

// film is frames as lines, and when each begins; the last time is the end.
type film struct {
	screens [][]string
	from    []time.Duration
}

// line is empty below a frame's last one.
func (f *film) line(frame, row int) string {
	if lines := f.screens[frame]; row < len(lines) {
		return lines[row]
	}
	return ""
}

// spans are the frames, from one and before another, in which a row stays the same.
func (f *film) spans(row int) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		for from := 0; from < len(f.screens); {
			to := from + 1
			for to < len(f.screens) && f.line(to, row) == f.line(from, row) {
				to++
			}
			if !yield(from, to) {
				return
			}
			from = to
		}
	}
}

// class is empty for a row that is always there.
func (f *film) class(from, to int) string {
	if from == 0 && to == len(f.screens) {
		return ""
	}
	class := fmt.Sprintf("s%d-%d", from, to)
	if from > 0 {
		class += " h"
	}
	return class
}

// css shows each row in its span of the film.
func (f *film) css(rows int) string {
	var b strings.Builder
	b.WriteString(".h{visibility:hidden}@media (prefers-reduced-motion:no-preference){")
	seen := map[[2]int]bool{}
	for row := range rows {
		for from, to := range f.spans(row) {
			if span := [2]int{from, to}; !seen[span] && f.class(from, to) != "" {
				seen[span] = true
				f.rule(&b, from, to)
			}
		}
	}
	b.WriteString("}")
	return b.String()
}

// rule is the animation of a span: steps that are hidden, shown, and hidden again.
func (f *film) rule(b *strings.Builder, from, to int) {
	length := f.from[len(f.screens)]
	at := func(frame int) string { return number(100*float64(f.from[frame])/float64(length)) + "%" }
	fmt.Fprintf(b, ".s%d-%d{animation:s%d-%d %ss step-end infinite}@keyframes s%d-%d{", from, to, from, to, number(length.Seconds()), from, to)
	if from > 0 {
		b.WriteString("0%{visibility:hidden}")
	}
	fmt.Fprintf(b, "%s{visibility:visible}", at(from))
	if to < len(f.screens) {
		fmt.Fprintf(b, "%s{visibility:hidden}", at(to))
	}
	b.WriteString("}")
}

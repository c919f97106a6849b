package tui

import "strings"

// glyphs are the characters that pictures are made of.
type glyphs struct {
	levels    []string // of a sparkline, from low to high
	eighths   []string // of a bar's end, from one eighth to a whole
	stages    [3]string
	cut, none string
	down, up  string // the order of a sorted column
	// pure says that a terminal shows nothing but ASCII.
	pure bool
}

var blocks = glyphs{
	levels:  []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	eighths: []string{"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"},
	stages:  [3]string{"█", "▓", "░"},
	cut:     "…", none: "—", down: "▼", up: "▲",
}

var ascii = glyphs{
	levels:  []string{".", ":", "-", "=", "+", "*", "#", "@"},
	eighths: []string{"#"},
	stages:  [3]string{"#", "=", "."},
	cut:     "~", none: "-", down: "v", up: "^", pure: true,
}

// spark draws the last width points of a series, scaled to its maximum.
func (g *glyphs) spark(points []float32, width int) string {
	points = points[max(0, len(points)-max(width, 0)):]
	var top float32
	for _, p := range points {
		top = max(top, p)
	}
	var out []byte
	for _, p := range points {
		out = append(out, g.level(p, top)...)
	}
	return string(out)
}

func (g *glyphs) level(p, top float32) string {
	if p <= 0 || top <= 0 {
		return " "
	}
	i := int(p / top * float32(len(g.levels)))
	return g.levels[min(max(i, 0), len(g.levels)-1)]
}

// bar draws v of top as a bar of at most width columns. What is not 0 shows.
func (g *glyphs) bar(v, top uint64, width int) string {
	if v == 0 || top == 0 || width <= 0 {
		return ""
	}
	per := len(g.eighths)
	n := max(1, int(float64(v)/float64(top)*float64(width*per)+0.5))
	n = min(n, width*per)
	var out []byte
	for ; n >= per; n -= per {
		out = append(out, g.eighths[per-1]...)
	}
	if n > 0 {
		out = append(out, g.eighths[n-1]...)
	}
	return string(out)
}

// shares divides width columns among the stages by their share of the sum; what
// is not 0 gets a column if there is one.
func shares(stage [3]uint64, width int) (n [3]int) {
	var sum float64
	for _, v := range stage {
		sum += float64(v)
	}
	if sum == 0 || width <= 0 {
		return n
	}
	var edge float64
	done := 0
	for i, v := range stage {
		edge += float64(v)
		end := min(int(edge/sum*float64(width)+0.5), width-some(stage[i+1:]))
		end = min(max(end, done+some(stage[i:i+1])), width)
		n[i], done = end-done, end
	}
	return n
}

// some counts those that are not 0.
func some(values []uint64) (n int) {
	for _, v := range values {
		n += btoi(v > 0)
	}
	return n
}

// splitWidth is how wide a latency's split is drawn.
const splitWidth = 8

var stageTones = [3]tone{first, second, third}

// stack draws a latency's split as a bar of three patterns and colours.
func (g *glyphs) stack(stage [3]uint64) (out line) {
	for i, n := range shares(stage, splitWidth) {
		if n > 0 {
			out = append(out, span{strings.Repeat(g.stages[i], n), stageTones[i]})
		}
	}
	return append(out, span{spaces(splitWidth - out.width()), plain})
}

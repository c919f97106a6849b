package tui

import (
	"math/bits"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/units"
)

// minPicture is the least width of a histogram.
const minPicture = 22

// spread says how many of most pictures fit side by side, and how wide they are.
func spread(width, most int) (each, n int) {
	n = max(1, min(most, (width+2)/(minPicture+2)))
	return max(1, (width+2)/n-2), n
}

// octave is a power of two of a histogram.
type octave struct{ low, n uint64 }

// octaves joins a histogram's buckets by powers of two.
func octaves(h *flow.Hist) (out []octave) {
	for _, b := range h.Buckets() {
		low := uint64(1) << max(bits.Len64(b.Low)-1, 0)
		if len(out) == 0 || out[len(out)-1].low != low {
			out = append(out, octave{low: low})
		}
		out[len(out)-1].n += b.N
	}
	return out
}

// histogram draws h in width columns: a line that sums it up, and a bar for each
// power of two, with marks where the percentiles are. Stages have the tones of
// the column SPLIT.
func (m *Model) histogram(name string, t tone, h *flow.Hist, width int, unit func(uint64) string) []line {
	p50, p99 := h.Quantile(0.5), h.Quantile(0.99)
	out := []line{
		{{name, t}, {"  n " + units.Count(h.Count()), faint}},
		text("p50 " + unit(p50) + " p99 " + unit(p99)),
		{{"mean " + unit(h.Mean()) + " max " + unit(h.Max()), faint}},
	}
	list := octaves(h)
	var top uint64
	for _, o := range list {
		top = max(top, o.n)
	}
	for _, o := range list {
		bar := m.glyphs.bar(o.n, top, width-11)
		out = append(out, line{
			{fit(unit(o.low), 6, true, ""), faint}, {" " + mark(o, p50, p99) + " ", warn}, {bar, t},
		})
	}
	return out
}

// mark names the percentiles that lie in o.
func mark(o octave, p50, p99 uint64) string {
	in := func(v uint64) bool { return v >= o.low && v>>1 < o.low }
	switch {
	case in(p50) && in(p99):
		return "p*"
	case in(p50):
		return "50"
	case in(p99):
		return "99"
	}
	return "  "
}

// rows puts pictures side by side, n to a row.
func rows(pictures [][]line, n, width int) (out []line) {
	for len(pictures) > 0 {
		k := min(n, len(pictures))
		if len(out) > 0 {
			out = append(out, nil)
		}
		out = append(out, beside(pictures[:k], width)...)
		pictures = pictures[k:]
	}
	return out
}

func beside(pictures [][]line, width int) (out []line) {
	height := 0
	for _, p := range pictures {
		height = max(height, len(p))
	}
	for i := range height {
		var l line
		for n, p := range pictures {
			if n > 0 {
				l = append(l, span{"  ", plain})
			}
			var part line
			if i < len(p) {
				part = p[i].clip(width, "")
			}
			l = append(append(l, part...), span{spaces(width - part.width()), plain})
		}
		out = append(out, l)
	}
	return out
}

package bench

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// The plot's measures in pixels: two panels side by side, names below.
const (
	panelWidth  = 340
	panelHeight = 240
	marginLeft  = 60
	marginTop   = 34
	gap         = 74
	plotWidth   = marginLeft + 2*panelWidth + gap + 20
	plotHeight  = marginTop + panelHeight + 52 // and the rows of names
	nameWidth   = 150
	nameHeight  = 18
	namesInRow  = 5
)

// Colours that people without full colour vision can distinguish (Okabe and Ito, 2008),
// and dashes for prints without colour.
var (
	colours = []string{"#d55e00", "#0072b2", "#009e73", "#777777", "#000000"}
	dashes  = []string{"", "6 3", "2 2", "8 3 2 3", "1 3"}
)

// panel is one of the plot's two diagrams.
type panel struct {
	left  float64
	title string
	value func(*Cell) float64
	log   bool // the scale of values
}

// SVG draws throughput and processor time over the size of streams.
func (r *Result) SVG() []byte {
	var b bytes.Buffer
	height := plotHeight + nameHeight*((len(r.ways())+namesInRow-1)/namesInRow)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="11">`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="white"/>`+"\n", escape("what sealing costs on Linux "+r.Machine.Kernel))
	for _, p := range []panel{
		{marginLeft, "throughput, MiB/s", (*Cell).Throughput, false},
		{marginLeft + panelWidth + gap, "time for a MiB, ms", (*Cell).WallPerMiB, true},
	} {
		r.drawPanel(&b, p)
	}
	for i, way := range r.ways() {
		x, y := marginLeft+i%namesInRow*nameWidth, plotHeight+i/namesInRow*nameHeight
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%[2]d" stroke="%[4]s" stroke-width="2" stroke-dasharray="%[5]s"/>`, x, y, x+28, colour(i), dash(i))
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", x+34, y+4, escape(way))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func colour(i int) string { return colours[i%len(colours)] }
func dash(i int) string   { return dashes[(i+i/len(colours))%len(dashes)] } // the second row has other ways

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}

func (r *Result) drawPanel(b *bytes.Buffer, p panel) {
	low, high := r.valueRange(p)
	fmt.Fprintf(b, `<text x="%.0f" y="%d" font-weight="bold">%s</text>`+"\n", p.left, marginTop-14, escape(p.title))
	fmt.Fprintf(b, `<rect x="%.0f" y="%d" width="%d" height="%d" fill="none" stroke="#999"/>`+"\n", p.left, marginTop, panelWidth, panelHeight)
	for _, v := range ticks(p, low, high) {
		y := p.y(v, low, high)
		fmt.Fprintf(b, `<line x1="%.0f" y1="%.1f" x2="%.0f" y2="%.1[2]f" stroke="#ddd"/>`, p.left, y, p.left+panelWidth)
		fmt.Fprintf(b, `<text x="%.0f" y="%.1f" text-anchor="end">%s</text>`+"\n", p.left-6, y+4, trimmed(v))
	}
	sizes := r.sizes()
	for i, size := range sizes {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", p.x(i, len(sizes)), marginTop+panelHeight+16, Bytes(size))
	}
	for i, way := range r.ways() {
		r.drawLine(b, p, i, way, low, high)
	}
}

func (r *Result) drawLine(b *bytes.Buffer, p panel, i int, way string, low, high float64) {
	var points []string
	sizes := r.sizes()
	for k, size := range sizes {
		if c := r.cell(way, size); c != nil {
			points = append(points, fmt.Sprintf("%.1f,%.1f", p.x(k, len(sizes)), p.y(p.value(c), low, high)))
		}
	}
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", strings.Join(points, " "), colour(i), dash(i))
}

// valueRange is the panel's scale: from 0 or, for a logarithmic one, from the power of
// ten below the lowest value, to one above the highest.
func (r *Result) valueRange(p panel) (low, high float64) {
	low, high = math.Inf(1), 0
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Skipped == "" {
			low, high = min(low, p.value(c)), max(high, p.value(c))
		}
	}
	switch {
	case high == 0:
		return 0.1, 1
	case p.log:
		return math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	}
	step := stepOf(high)
	return 0, step * math.Ceil(high/step)
}

// stepOf is 1, 2 or 5 times a power of ten, so that about five steps fit.
func stepOf(high float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(high/5)))
	for _, k := range []float64{1, 2, 5} {
		if high/(k*power) <= 5 {
			return k * power
		}
	}
	return 10 * power
}

func ticks(p panel, low, high float64) (values []float64) {
	if p.log {
		for v := low; v <= high*1.001; v *= 10 {
			values = append(values, v)
		}
		return values
	}
	for v := low; v <= high*1.001; v += stepOf(high) {
		values = append(values, v)
	}
	return values
}

func trimmed(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.4g", v), ".0") }

// x spreads n sizes evenly.
func (p panel) x(i, n int) float64 {
	return p.left + panelWidth*(float64(i)+0.5)/float64(n)
}

func (p panel) y(v, low, high float64) float64 {
	if p.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	if high == low {
		return marginTop + panelHeight
	}
	return marginTop + panelHeight*(1-(v-low)/(high-low))
}

package tui

import (
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
)

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		points []float32
		width  int
		want   string
	}{
		{nil, 5, ""},
		{[]float32{0, 0}, 5, "  "},
		{[]float32{0, 1, 2, 4, 8}, 5, " ▂▃▅█"},
		{[]float32{8, 8, 1, 2}, 2, "▅█"},
		{[]float32{1, 2}, 0, ""},
		{[]float32{1, 2}, -3, ""},
	} {
		if got := blocks.spark(c.points, c.width); got != c.want {
			t.Errorf("spark(%v, %d) = %q, want %q", c.points, c.width, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		v, top uint64
		width  int
		want   string
	}{
		{0, 10, 5, ""}, {10, 10, 5, "█████"}, {5, 10, 5, "██▌"}, {1, 1 << 60, 5, "▏"},
		{1<<64 - 1, 1<<64 - 1, 3, "███"}, {5, 10, 0, ""}, {5, 0, 5, ""}, {20, 10, 3, "███"},
	} {
		if got := blocks.bar(c.v, c.top, c.width); got != c.want {
			t.Errorf("bar(%d, %d, %d) = %q, want %q", c.v, c.top, c.width, got, c.want)
		}
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		stage [3]uint64
		want  [3]int
	}{
		{[3]uint64{}, [3]int{}}, {[3]uint64{1, 1, 2}, [3]int{2, 2, 4}}, {[3]uint64{1, 1000, 1}, [3]int{1, 6, 1}},
		{[3]uint64{0, 5, 0}, [3]int{0, 8, 0}}, {[3]uint64{1 << 63, 1 << 63, 0}, [3]int{4, 4, 0}},
		{[3]uint64{303, 460, 14100}, [3]int{1, 1, 6}}, {[3]uint64{1000, 1, 1}, [3]int{6, 1, 1}}, {[3]uint64{1, 0, 1000}, [3]int{1, 0, 7}},
	} {
		if got := shares(c.stage, 8); got != c.want {
			t.Errorf("shares(%v) = %v, want %v", c.stage, got, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		s     string
		width int
		right bool
		want  string
	}{
		{"abc", 5, false, "abc  "}, {"abc", 5, true, "  abc"}, {"abcdef", 4, false, "abc…"},
		{"日本語", 5, false, "日本…"}, {"日本語", 4, false, "日… "}, {"日本語", 6, false, "日本語"},
		{"abc", 1, false, "…"}, {"abc", 0, false, ""}, {"abc", -1, false, ""}, {"", 2, true, "  "},
	} {
		if got := fit(c.s, c.width, c.right, "…"); got != c.want {
			t.Errorf("fit(%q, %d) = %q, want %q", c.s, c.width, got, c.want)
		}
	}
}

func TestLineClip(t *testing.T) {
	l := line{{"ab", plain}, {"日本", bad}, {"cd", good}}
	for width, want := range map[int]string{8: "ab日本cd", 7: "ab日本…", 6: "ab日…", 5: "ab日…", 3: "ab…", 2: "a…", 1: "…"} {
		got := ""
		for _, s := range l.clip(width, "…") {
			got += s.text
		}
		if got != want || safe.Width(got) > width {
			t.Errorf("clip(%d) = %q, want %q", width, got, want)
		}
	}
}

func TestOctaves(t *testing.T) {
	var h flow.Hist
	for _, v := range []uint64{0, 1, 2, 3, 5, 1000, 1023, 1024} {
		h.Add(v)
	}
	var sum uint64
	for _, o := range octaves(&h) {
		sum += o.n
		if o.low&(o.low-1) != 0 {
			t.Errorf("octave from %d", o.low)
		}
	}
	if sum != 8 {
		t.Errorf("octaves hold %d values, want 8", sum)
	}
}

func TestLayout(t *testing.T) {
	cols := connColumns()
	for width := range 500 {
		end := 0
		for _, p := range layout(cols, width) {
			if p.x < end || p.width > max(cols[p.index].most, cols[p.index].width) {
				t.Fatalf("width %d: column %s at %d, %d wide", width, cols[p.index].name, p.x, p.width)
			}
			end = p.x + p.width + 1
		}
		if end-1 > max(width, margin) {
			t.Fatalf("width %d: the columns end at %d", width, end-1)
		}
	}
}

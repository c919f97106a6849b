package flow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBucketsTile(t *testing.T) {
	for _, s := range []scale{fine, coarse} {
		last := s.bucket(math.MaxUint64)
		for i := range last + 1 {
			low, high := s.low(i), s.high(i)
			if s.bucket(low) != i || s.bucket(high) != i {
				t.Errorf("scale %d: bucket %d is [%d, %d], but they are in %d and %d", s, i, low, high, s.bucket(low), s.bucket(high))
			}
			if i > 0 && s.high(i-1)+1 != low {
				t.Errorf("scale %d: a hole before bucket %d", s, i)
			}
		}
		if s.high(last) != math.MaxUint64 {
			t.Errorf("scale %d: the last bucket ends with %d", s, s.high(last))
		}
	}
}

func TestHistQuantileError(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var h Hist
		values := make([]uint64, 2000)
		scale := math.Exp2(rng.Float64() * 40)
		for i := range values {
			values[i] = uint64(rng.ExpFloat64() * scale)
			h.Add(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 1} {
			want := values[int(q*float64(len(values)-1)+0.5)]
			if got := h.Quantile(q); !within(got, want, 0.125) {
				t.Errorf("quantile %v is %d, want %d within 12.5 %%", q, got, want)
			}
		}
		if h.Max() != values[len(values)-1] || h.Count() != 2000 {
			t.Errorf("max %d count %d", h.Max(), h.Count())
		}
	}
}

func within(got, want uint64, bound float64) bool {
	return math.Abs(float64(got)-float64(want)) <= bound*float64(want)+1
}

func TestHistLog2IsWithinAFactorOfTwo(t *testing.T) {
	for k := range 64 {
		var h Hist
		h.AddLog2(k, 10)
		got, low := float64(h.Quantile(0.5)), math.Exp2(float64(k))
		if got < low || got >= 2*low && k > 0 {
			t.Errorf("2^%d: median %v", k, got)
		}
		if !h.Coarse() || h.Count() != 10 {
			t.Errorf("2^%d: coarse %v, count %d", k, h.Coarse(), h.Count())
		}
	}
}

func TestHistMerge(t *testing.T) {
	var a, b, all Hist
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		v := uint64(rng.ExpFloat64() * 1e6)
		all.Add(v)
		if v%2 == 0 {
			a.Add(v)
		} else {
			b.Add(v)
		}
	}
	a.Merge(&b)
	if !slices.Equal(a.Buckets(), all.Buckets()) {
		t.Error("merged buckets differ from those of all values")
	}
	if a.Sum() != all.Sum() || a.Max() != all.Max() || a.Mean() != all.Mean() {
		t.Error("merged sums differ")
	}
}

// TestHistCoarsens mixes both scales, in either order: the powers of two that
// come out are the same.
func TestHistCoarsens(t *testing.T) {
	values := []uint64{0, 1, 5, 6, 7, 8, 100, 127, 128, 1 << 40}
	var first, last, merged, all Hist
	first.AddLog2(6, 3)
	for _, v := range values {
		first.Add(v)
		last.Add(v)
		merged.Add(v)
	}
	last.AddLog2(6, 3)
	all.AddLog2(6, 3)
	merged.Merge(&all)
	all.Merge(&first)
	want := []Bucket{{0, 0, 1}, {1, 1, 1}, {2, 3, 0}, {4, 7, 3}, {8, 15, 1}, {16, 31, 0}, {32, 63, 0}, {64, 127, 5}, {128, 255, 1}}
	for name, h := range map[string]*Hist{"coarse first": &first, "coarse last": &last, "merged": &merged} {
		if got := h.Buckets(); !slices.Equal(got[:len(want)], want) || got[len(got)-1] != (Bucket{1 << 40, 1<<41 - 1, 1}) {
			t.Errorf("%s: %v", name, got)
		}
		if !h.Coarse() || h.Count() != 13 {
			t.Errorf("%s: coarse %v, count %d", name, h.Coarse(), h.Count())
		}
	}
	if got := all.Count(); got != 16 {
		t.Errorf("coarse with coarse: %d values", got)
	}
}

func TestHistDoesNotWrap(t *testing.T) {
	var h Hist
	h.AddLog2(10, 1<<32-1)
	h.AddLog2(20, 1<<32-1)
	h.AddLog2(10, 1<<32-1)
	if h.Count() != 3*(1<<32-1) {
		t.Errorf("count %d", h.Count())
	}
	if q := h.Quantile(0.25); q >= 1<<11 {
		t.Errorf("the shape is lost: quantile 0.25 is %d", q)
	}
	if q := h.Quantile(0.9); q < 1<<20 {
		t.Errorf("the shape is lost: quantile 0.9 is %d", q)
	}
}

func TestHistEmpty(t *testing.T) {
	var h Hist
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || len(h.Buckets()) != 0 {
		t.Error("an empty histogram has values")
	}
}

func TestHistClone(t *testing.T) {
	var h Hist
	h.Add(100)
	c := h.Clone()
	h.Add(100)
	if c.Count() != 1 || c.Buckets()[0].N != 1 {
		t.Error("the copy changed with the original")
	}
}

func BenchmarkHistAdd(b *testing.B) {
	var h Hist
	b.ReportAllocs()
	for i := range b.N {
		h.Add(uint64(i&0xffff) + 1000)
	}
}

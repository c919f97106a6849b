package flow

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBucketsTile(t *testing.T) {
	if numBuckets != bucketOf(math.MaxUint64)+1 {
		t.Fatalf("numBuckets is %d, the last bucket %d", numBuckets, bucketOf(math.MaxUint64))
	}
	for i := range numBuckets {
		low, high := bucketLow(i), bucketHigh(i)
		if bucketOf(low) != i || bucketOf(high) != i {
			t.Errorf("bucket %d is [%d, %d], but they are in %d and %d", i, low, high, bucketOf(low), bucketOf(high))
		}
		if i > 0 && bucketHigh(i-1)+1 != low {
			t.Errorf("a hole before bucket %d", i)
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

package flow

import "math/bits"

// scale divides each power of two into 2^scale equal buckets.
type scale uint8

const (
	fine   scale = 2
	coarse scale = 0
)

// Hist is a histogram of nanoseconds (or of bytes): a bucket for each quarter of
// a power of two. Values below 8 are exact, and a quantile is within 12.5 % of the
// true value: it is the middle of a bucket whose width is at most a quarter of its
// lower end. A Hist that got any of the kernel's plain power-of-two buckets
// (AddLog2) is coarse: it has a bucket for each power of two, and its quantiles
// are within a factor of two.
//
// Only the buckets in use take memory. The zero value is empty.
type Hist struct {
	counts []uint32 // of the buckets from base on
	base   uint8
	coarse bool
	n      uint64
	sum    uint64
	max    uint64
}

// bucket is the one that holds v.
func (s scale) bucket(v uint64) int {
	if v < 1<<s {
		return int(v)
	}
	k := bits.Len64(v) - 1
	return (k-int(s)+1)<<s | int(v>>(k-int(s)))&(1<<s-1)
}

// low is the smallest value of bucket i.
func (s scale) low(i int) uint64 {
	if i < 1<<s {
		return uint64(i)
	}
	k := i>>s + int(s) - 1
	return 1<<k | uint64(i&(1<<s-1))<<(k-int(s))
}

// high is the largest value of bucket i; for the last one the sum wraps to it.
func (s scale) high(i int) uint64 { return s.low(i+1) - 1 }

func (s scale) middle(i int) uint64 {
	low := s.low(i)
	return low + (s.high(i)-low+1)/2
}

func (h *Hist) scale() scale {
	if h.coarse {
		return coarse
	}
	return fine
}

// Add counts v.
func (h *Hist) Add(v uint64) {
	h.n++
	h.sum += v
	h.max = max(h.max, v)
	h.add(h.scale().bucket(v), 1)
}

// AddLog2 counts n values of [2^k, 2^(k+1)), of which no more is known.
func (h *Hist) AddLog2(k int, n uint64) {
	if n == 0 || k < 0 || k > 63 {
		return
	}
	low := uint64(1) << k
	h.coarsen()
	h.n += n
	h.sum += n * (low + low/2)
	h.max = max(h.max, low|(low-1))
	h.add(coarse.bucket(low), n)
}

// coarsen goes over to buckets of whole powers of two.
func (h *Hist) coarsen() {
	if h.coarse {
		return
	}
	was := *h
	h.counts, h.base, h.coarse = nil, 0, true
	h.addAll(&was)
}

// Merge adds what o counted.
func (h *Hist) Merge(o *Hist) {
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
	if o.coarse {
		h.coarsen()
	}
	h.addAll(o)
}

// addAll adds the buckets of o, which is no coarser than h.
func (h *Hist) addAll(o *Hist) {
	to, from := h.scale(), o.scale()
	for i, c := range o.counts {
		if c != 0 {
			h.add(to.bucket(from.low(int(o.base)+i)), uint64(c))
		}
	}
}

func (h *Hist) add(i int, n uint64) {
	h.cover(i)
	c := &h.counts[i-int(h.base)]
	for uint64(*c)+n > 1<<32-1 {
		// Rather than wrap, keep the shape: a quantile needs no more.
		h.halve()
		n /= 2
	}
	*c += uint32(n)
}

func (h *Hist) halve() {
	for i := range h.counts {
		h.counts[i] /= 2
	}
}

// cover makes room for bucket i, in steps of four buckets.
func (h *Hist) cover(i int) {
	if i >= int(h.base) && i < int(h.base)+len(h.counts) {
		return
	}
	low, high := i&^3, i|3
	if len(h.counts) > 0 {
		low = min(low, int(h.base))
		high = max(high, int(h.base)+len(h.counts)-1)
	}
	counts := make([]uint32, high-low+1)
	if len(h.counts) > 0 {
		copy(counts[int(h.base)-low:], h.counts)
	}
	h.counts, h.base = counts, uint8(low)
}

// Count, Sum and Max are of all values; Coarse reports the wider error bound.
func (h *Hist) Count() uint64 { return h.n }

// Sum is the sum of all values.
func (h *Hist) Sum() uint64 { return h.sum }

// Max is the largest value.
func (h *Hist) Max() uint64 { return h.max }

// Coarse reports whether quantiles are only within a factor of two.
func (h *Hist) Coarse() bool { return h.coarse }

// Mean is the exact mean, 0 when empty.
func (h *Hist) Mean() uint64 {
	if h.n == 0 {
		return 0
	}
	return h.sum / h.n
}

// Quantile estimates the value below which the share q (0 to 1) of the values
// lies, 0 when empty.
func (h *Hist) Quantile(q float64) uint64 {
	var total uint64
	for _, c := range h.counts {
		total += uint64(c)
	}
	if total == 0 {
		return 0
	}
	rank := uint64(q*float64(total-1) + 0.5)
	for i, c := range h.counts {
		if rank < uint64(c) {
			return min(h.scale().middle(int(h.base)+i), h.max)
		}
		rank -= uint64(c)
	}
	return h.max
}

// Bucket is one bucket of a Hist: N values from Low to High, both included.
type Bucket struct {
	Low  uint64 `json:"low"`
	High uint64 `json:"high"`
	N    uint64 `json:"n"`
}

// Buckets returns the buckets from the first to the last that is not empty.
func (h *Hist) Buckets() []Bucket {
	first, last := h.bounds()
	out, scale := make([]Bucket, 0, last-first), h.scale()
	for i := first; i < last; i++ {
		b := int(h.base) + i
		out = append(out, Bucket{scale.low(b), scale.high(b), uint64(h.counts[i])})
	}
	return out
}

func (h *Hist) bounds() (first, last int) {
	first, last = 0, len(h.counts)
	for first < last && h.counts[first] == 0 {
		first++
	}
	for last > first && h.counts[last-1] == 0 {
		last--
	}
	return first, last
}

// Clone returns a copy that shares nothing with h.
func (h *Hist) Clone() Hist {
	c := *h
	c.counts = append([]uint32(nil), h.counts...)
	return c
}

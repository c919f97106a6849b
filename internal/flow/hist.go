package flow

import "math/bits"

const (
	subBits = 2
	// SubBuckets is the number of equal parts each power of two is divided into.
	SubBuckets = 1 << subBits
	numBuckets = (64 - subBits + 1) * SubBuckets
)

// Hist is a histogram of nanoseconds (or of bytes): a bucket for each power of
// two, divided into SubBuckets equal parts. Values below 8 are exact, and a
// quantile is within 12.5 % of the true value: it is the middle of a bucket whose
// width is at most a quarter of its lower end. A Hist that was merged from the
// kernel's plain power-of-two buckets (AddLog2) is coarse: its quantiles are
// within a factor of two.
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

// bucketOf is the bucket that holds v.
func bucketOf(v uint64) int {
	if v < SubBuckets {
		return int(v)
	}
	k := bits.Len64(v) - 1
	return (k-subBits+1)<<subBits | int(v>>(k-subBits))&(SubBuckets-1)
}

// bucketLow is the smallest value of bucket i.
func bucketLow(i int) uint64 {
	if i < SubBuckets {
		return uint64(i)
	}
	k := i>>subBits + subBits - 1
	return 1<<k | uint64(i&(SubBuckets-1))<<(k-subBits)
}

// bucketHigh is the largest value of bucket i.
func bucketHigh(i int) uint64 {
	if i >= numBuckets-1 {
		return 1<<64 - 1
	}
	return bucketLow(i+1) - 1
}

// Add counts v.
func (h *Hist) Add(v uint64) {
	h.n++
	h.sum += v
	h.max = max(h.max, v)
	h.add(bucketOf(v), 1)
}

// AddLog2 counts n values of [2^k, 2^(k+1)), of which no more is known.
func (h *Hist) AddLog2(k int, n uint64) {
	if n == 0 || k < 0 || k > 63 {
		return
	}
	low := uint64(1) << k
	h.coarse = true
	h.n += n
	h.sum += n * (low + low/2)
	h.max = max(h.max, low|(low-1))
	h.add(bucketOf(low+low/2), n)
}

// SetSum and SetMax replace what AddLog2 could only estimate.
func (h *Hist) SetSum(sum uint64) { h.sum = sum }

// SetMax sets the largest value seen.
func (h *Hist) SetMax(v uint64) { h.max = v }

// Merge adds what o counted.
func (h *Hist) Merge(o *Hist) {
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
	h.coarse = h.coarse || o.coarse
	for i, c := range o.counts {
		if c != 0 {
			h.add(int(o.base)+i, uint64(c))
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

// cover makes room for bucket i, in steps of one power of two.
func (h *Hist) cover(i int) {
	if i >= int(h.base) && i < int(h.base)+len(h.counts) {
		return
	}
	low, high := i&^(SubBuckets-1), i|(SubBuckets-1)
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
			return min(middle(int(h.base)+i), h.max)
		}
		rank -= uint64(c)
	}
	return h.max
}

func middle(i int) uint64 {
	low := bucketLow(i)
	return low + (bucketHigh(i)-low+1)/2
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
	out := make([]Bucket, 0, last-first)
	for i := first; i < last; i++ {
		b := int(h.base) + i
		out = append(out, Bucket{bucketLow(b), bucketHigh(b), uint64(h.counts[i])})
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

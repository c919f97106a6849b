package metrics

import (
	"math/bits"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// The histograms have the kernel's own bounds, from firstBucket, which includes all
// shorter times, to lastBucket; longer times are in +Inf. In seconds the bounds are
// 2^(k+1) ns: 2.048 µs to 8.59 s.
const (
	firstBucket = 10
	lastBucket  = 32
)

// bound is the upper end of a bucket in seconds.
func bound(k int) float64 { return float64(uint64(1)<<(k+1)) / 1e9 }

// bucketOf is the bucket of a time in nanoseconds, which must be above 0.
func bucketOf(ns uint64) int { return min(bits.Len64(ns)-1, event.Log2Buckets-1) }

// cumulative returns h in Prometheus's form: for each bound, in seconds, how many values
// are below it.
func (h *hist) cumulative() map[float64]uint64 {
	buckets := make(map[float64]uint64, lastBucket-firstBucket+1)
	var n uint64
	for k := range lastBucket + 1 {
		n += h.n[k]
		if k >= firstBucket {
			buckets[bound(k)] = n
		}
	}
	return buckets
}

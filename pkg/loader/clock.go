package loader

import (
	"math"
	"time"
)

// WallOffset returns the current difference between wall time (nanoseconds since 1970) and
// the Mono of an event. It changes when the wall clock is set and when the machine
// suspends.
func WallOffset() time.Duration {
	best, offset := uint64(math.MaxUint64), int64(0)
	for range 5 {
		before := Monotonic()
		wall := time.Now().UnixNano()
		took := Monotonic() - before
		if took < best { // nobody else ran meanwhile
			best, offset = took, wall-int64(before+took/2)
		}
	}
	return time.Duration(offset)
}

package loader

import (
	"math"
	"time"
)

// WallOffset is what has to be added to an event's Mono to get wall time, as of
// now: it changes when the wall clock is set and when the machine has slept.
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

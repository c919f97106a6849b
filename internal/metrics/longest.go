package metrics

import "time"

// longestFor is how long the longest record is shown at least; at most it is twice as
// long.
const longestFor = time.Minute

// longest is the longest record of the last minute or two, in nanoseconds. The kernel
// keeps only the longest of a connection's whole life: for a shorter one, the end of
// its bucket is used.
type longest struct {
	now, before uint64
	since       time.Time
}

// update adds the difference that a histogram has gained.
func (l *longest) update(now time.Time, before, after *hist) {
	if now.Sub(l.since) >= longestFor {
		if l.before = l.now; now.Sub(l.since) >= 2*longestFor {
			l.before = 0
		}
		l.now, l.since = 0, now
	}
	l.now = max(l.now, gained(before, after))
}

// gained is the longest time that is in after and not in before, 0 for none.
func gained(before, after *hist) uint64 {
	if after.max > before.max {
		return after.max
	}
	for k := len(after.n) - 1; k >= 0; k-- {
		if after.n[k] > before.n[k] {
			return min(uint64(1)<<(k+1), after.max)
		}
	}
	return 0
}

func (l *longest) seconds() float64 { return float64(max(l.now, l.before)) / 1e9 }

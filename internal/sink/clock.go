package sink

import "time"

// Clock converts event times to wall time. Offset returns the wall clock minus the
// monotonic clock, in nanoseconds, for an event at the monotonic time mono.
type Clock interface {
	Offset(mono uint64) int64
}

// FixedClock is the Clock of a recording: one offset for all events.
type FixedClock int64

// Offset implements Clock.
func (c FixedClock) Offset(uint64) int64 { return int64(c) }

// stamp writes wall clock times of monotonic ones. It remembers the second that
// it wrote last, since most events share it with the one before.
type stamp struct {
	clock  Clock
	layout string
	second int64
	text   []byte
}

// wall splits the wall clock at mono into seconds and nanoseconds.
func (s *stamp) wall(mono uint64) (sec, nsec int64) {
	ns := int64(mono) + s.clock.Offset(mono)
	sec, nsec = ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	return sec, nsec
}

// append writes the second in layout, a point, and the first digits of the fraction, in the
// time zone loc.
func (s *stamp) append(dst []byte, mono uint64, digits int, loc *time.Location) []byte {
	sec, nsec := s.wall(mono)
	if sec != s.second || len(s.text) == 0 {
		s.second = sec
		s.text = time.Unix(sec, 0).In(loc).AppendFormat(s.text[:0], s.layout)
	}
	dst = append(append(dst, s.text...), '.')
	for div := int64(1e8); digits > 0; digits, div = digits-1, div/10 {
		dst = append(dst, byte('0'+nsec/div%10))
	}
	return dst
}

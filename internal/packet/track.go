package packet

import "github.com/ktlstop/ktlstop/pkg/event"

// track knows which record sequence comes next in one direction of one socket.
type track struct {
	next         uint64
	gen          uint32
	known        bool
	startUnknown bool // what came before the first record is not known
}

// advance returns how many records are missing before r: lost, or suppressed by a
// filter.
func (t *track) advance(r *event.Record) (missing uint64) {
	due, known := t.next, t.known
	if !t.known || t.gen != r.Gen {
		due, known = r.Start, r.HasStart && (t.known || !t.startUnknown)
	}
	if known && t.known && t.gen == r.Gen && r.Seq < due {
		return 0 // it comes late; what comes next is known already
	}
	if known && r.Seq > due {
		missing = r.Seq - due
	}
	t.next, t.gen, t.known = r.Seq+1, r.Gen, true
	return missing
}

// tail returns how many records are missing at the end of a connection whose
// next sequence would have been next.
func (t *track) tail(gen uint32, next uint64) uint64 {
	if !t.known || t.gen != gen || next < t.next {
		return 0
	}
	return next - t.next
}

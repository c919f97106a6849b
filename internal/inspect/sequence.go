package inspect

import (
	"slices"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// keyUpdate is the handshake message after which a new key begins, RFC 8446 §4.6.3.
const keyUpdate = 24

// sequence follows the records of one direction.
type sequence struct {
	known   bool
	joined  bool // the bytes before the first record are not known
	gap     bool // records before the latest are missing
	updated bool // the latest record was a KeyUpdate
	gen     uint32
	next    uint64
}

// observe handles a record. lost says that records before it were not seen; missing is
// their number, 0 if unknown.
func (q *sequence) observe(r *event.Record) (missing uint64, lost bool) {
	switch {
	case !q.known:
		missing, lost = r.Seq-r.Start, r.HasStart && r.Seq > r.Start && !q.joined
	case r.Gen == q.gen:
		missing, lost = r.Seq-q.next, r.Seq != q.next
	default:
		lost = !q.updated || r.Gen != q.gen+1 || r.Seq != 0
	}
	*q = sequence{known: true, gap: lost, gen: r.Gen, next: r.Seq + 1,
		updated: r.Control != nil && r.Type == event.Handshake && slices.Contains(r.Control.Handshakes, keyUpdate)}
	return missing, lost
}

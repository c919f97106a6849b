package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// stream is what the Ledger knows of one direction of one connection.
type stream struct {
	next      uint64 // the sequence that is due under gen
	hidden    uint64 // event.Record.Hidden when next was set
	gen       uint32
	known     bool
	seen      bool // a record has come under gen
	inventory bool // next comes from the inventory and may run ahead of the events
	// loose says that gen began unannounced, so that what the filters hid since
	// then cannot be told from what they hid at the end of the generation before.
	loose bool
	// unsure says that the connection was followed before: neither where it
	// began nor what is announced late says what is due, only its next record.
	unsure bool
}

// outcome is what one observation says about the sequences before it.
type outcome struct {
	count       uint64
	first, last uint64
	duplicate   bool
}

func (v outcome) event(mono uint64, c *event.Conn, d event.Dir) *event.Lost {
	conn := *c
	return &event.Lost{
		Mono: mono, Cause: CauseGap, Count: v.count,
		Conn: &conn, Dir: d, First: v.first, Last: v.last,
	}
}

// observe enters the record seq of generation gen, which began at first if
// nothing announced it.
func (s *stream) observe(gen uint32, seq, hidden, first uint64) outcome {
	switch {
	case !s.known || s.behindInventory(gen, seq):
		s.set(gen, seq+1, hidden)
		return outcome{}
	case gen < s.gen:
		return outcome{duplicate: true}
	case gen > s.gen:
		s.turn(gen, first)
	}
	v := s.reach(seq, hidden)
	if !v.duplicate {
		s.set(gen, seq+1, s.used(seq, hidden))
	}
	return v
}

// used is how much of hidden the step to seq uses up. What it does not need
// stays for later: a record may be hidden, and counted, while the one before it
// is still on its way.
func (s *stream) used(seq, hidden uint64) uint64 {
	if s.loose {
		return hidden
	}
	return s.hidden + min(seq-s.next, s.unused(hidden))
}

// unused is how many records the filters suppressed that no step explained yet.
func (s *stream) unused(hidden uint64) uint64 {
	return max(hidden, s.hidden) - s.hidden
}

// set makes next the sequence that is due, after a record of gen.
func (s *stream) set(gen uint32, next, hidden uint64) {
	*s = stream{known: true, seen: true, gen: gen, next: next, hidden: hidden}
}

// begin enters a generation that the kernel announced. A record under the new
// key may have come first: then next is known better already.
func (s *stream) begin(gen uint32, next, hidden uint64) {
	if s.unsure || s.known && (gen < s.gen || gen == s.gen && s.seen) {
		return
	}
	*s = stream{known: true, gen: gen, next: next, hidden: hidden}
}

// start enters where a stream began whose announcement did not come. What the
// filters hid under an earlier key is not known then.
func (s *stream) start(gen uint32, seq uint64) {
	if !s.known && !s.unsure {
		*s = stream{known: true, gen: gen, next: seq, loose: gen > 0}
	}
}

// found enters what the inventory read from a socket that was open before.
func (s *stream) found(gen uint32, next, hidden uint64) {
	if !s.known && !s.unsure {
		*s = stream{known: true, inventory: true, gen: gen, next: next, hidden: hidden}
	}
}

// behindInventory reports whether seq was sealed before the inventory looked
// and told afterwards: no duplicate, but the true start.
func (s *stream) behindInventory(gen uint32, seq uint64) bool {
	return s.inventory && !s.seen && gen == s.gen && before(seq, s.next)
}

// before compares sequences, of which 0 follows 1<<64-1: what is less than half
// the way round ahead comes later. The kernel ends a connection that comes to 0
// (tls_advance_record_sn), but not before the last record is sealed.
func before(a, b uint64) bool { return int64(a-b) < 0 }

// turn starts a generation whose announcement did not come. What is missing of
// the one before cannot be known.
func (s *stream) turn(gen uint32, first uint64) {
	*s = stream{known: true, gen: gen, next: first, hidden: s.hidden, loose: true}
}

// reach compares seq, the next thing known under the current generation, with
// what is due, and takes the filters' share off the difference.
func (s *stream) reach(seq, hidden uint64) outcome {
	if before(seq, s.next) {
		return outcome{duplicate: true}
	}
	missing := seq - s.next
	missing -= min(missing, s.unused(hidden))
	if missing == 0 {
		return outcome{}
	}
	return outcome{count: missing, first: s.next, last: seq - 1}
}

// end compares the sequence that would have come next when the connection
// closed. A lower one than is due is no duplicate: the kernel may have forgotten
// it by then.
func (s *stream) end(gen uint32, next, hidden uint64) outcome {
	if !s.known || gen < s.gen {
		return outcome{}
	}
	if gen > s.gen {
		s.turn(gen, 0)
	}
	if v := s.reach(next, hidden); !v.duplicate {
		return v
	}
	return outcome{}
}

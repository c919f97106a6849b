package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// stream is what the Ledger knows of one direction of one connection.
type stream struct {
	next      uint64 // the expected sequence under gen
	hidden    uint64 // event.Record.Hidden when next was set
	gen       uint32
	known     bool
	seen      bool // a record under gen was observed
	inventory bool // next comes from the inventory and may run ahead of the events
	// loose reports that gen began without an event. The records that filters suppressed
	// since then cannot be distinguished from those at the end of the generation before.
	loose bool
	// unsure reports that the connection was followed before. Neither its first sequence
	// nor a late event gives the expected sequence, only its next record.
	unsure bool
}

// outcome is what one observation reveals about the sequences before it.
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

// observe enters the record seq of generation gen, which began at first if no event reported
// its beginning.
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

// used returns how many of the hidden records the gap before seq accounts for. The others
// count for later gaps: a record can be suppressed and counted while the event of the one
// before it is still on its way.
func (s *stream) used(seq, hidden uint64) uint64 {
	if s.loose {
		return hidden
	}
	return s.hidden + min(seq-s.next, s.unused(hidden))
}

// unused returns how many suppressed records no gap has accounted for yet.
func (s *stream) unused(hidden uint64) uint64 {
	return max(hidden, s.hidden) - s.hidden
}

// set makes next the expected sequence, after a record of gen.
func (s *stream) set(gen uint32, next, hidden uint64) {
	*s = stream{known: true, seen: true, gen: gen, next: next, hidden: hidden}
}

// begin enters a generation that an event reported. If a record under the new key came
// first, next is already more recent.
func (s *stream) begin(gen uint32, next, hidden uint64) {
	if s.unsure || s.known && (gen < s.gen || gen == s.gen && s.seen) {
		return
	}
	*s = stream{known: true, gen: gen, next: next, hidden: hidden}
}

// start enters the first sequence of a stream whose event was lost. How many records the
// filters suppressed under an earlier key is not known then.
func (s *stream) start(gen uint32, seq uint64) {
	if !s.known && !s.unsure {
		*s = stream{known: true, gen: gen, next: seq, loose: gen > 0}
	}
}

// found enters the sequence that the inventory read from an open socket.
func (s *stream) found(gen uint32, next, hidden uint64) {
	if !s.known && !s.unsure {
		*s = stream{known: true, inventory: true, gen: gen, next: next, hidden: hidden}
	}
}

// behindInventory reports whether the record seq was encrypted before the inventory read the
// socket, and reported afterwards: it is not a duplicate but the true start.
func (s *stream) behindInventory(gen uint32, seq uint64) bool {
	return s.inventory && !s.seen && gen == s.gen && before(seq, s.next)
}

// before compares sequences modulo 1<<64: a is before b if b is less than 1<<63 ahead. The
// kernel aborts a connection whose sequence wraps to 0 (tls_advance_record_sn), but only
// after the last record is encrypted.
func before(a, b uint64) bool { return int64(a-b) < 0 }

// turn starts a generation whose event was lost. Losses at the end of the generation before
// cannot be known.
func (s *stream) turn(gen uint32, first uint64) {
	*s = stream{known: true, gen: gen, next: first, hidden: s.hidden, loose: true}
}

// reach compares seq, the next known sequence of the current generation, with the expected
// one. It subtracts the suppressed records from the difference.
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

// end enters the sequence of the next record at the connection's close. A sequence lower
// than the expected one is not a duplicate: the kernel may have freed it by then.
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

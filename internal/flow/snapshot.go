package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// closeConns is the number of connections up to which each keeps its past rates
// and a histogram of each stage; beyond, only the chosen one does, for the sake
// of memory.
const closeConns = 10_000

// minInterval is the shortest time that rates are computed over. A snapshot
// taken sooner shows those of the last interval.
const minInterval = 200 * time.Millisecond

// Snapshot is the state of a Table at one moment. It never changes after it was returned,
// and shares no memory with the Table. The caller of Table.Snapshot sets Run, and Offset if
// it changes, before it passes the Snapshot on.
type Snapshot struct {
	// Mono is the monotonic time, Offset what to add for the wall clock, both
	// in nanoseconds. Elapsed is the time that the rates are over.
	Mono    uint64
	Offset  int64
	Elapsed time.Duration

	// Rows are the connections in the order of first sight.
	Rows []*Row
	// Processes, Cgroups, Units and Pods are the rows' sums by owner; Hosts those by
	// host, where there are several.
	Processes, Cgroups, Units, Pods, Hosts []*Group
	// Detail is the chosen connection, nil without one.
	Detail *Detail

	// Recent are the last records of all connections without payload, Moments
	// the last control records, errors, losses, rekeys and closes; the oldest
	// come first. RecentCount is the number of records ever reported.
	Recent      []event.Record
	RecentCount uint64
	Moments     []event.Event

	// Totals and Rate are over all connections, gone ones included; Past are
	// the bytes per second of the last snapshots, the oldest first.
	Totals event.Totals
	Rate   [2]Rate
	Past   [2][]float32

	// Open counts the connections not closed, SW and HW those with a direction
	// encrypted by the kernel and by the NIC.
	Open, SW, HW int
	Counts       Counts

	// Lost and LostTotal are as Losses.Sum makes them. Duplicates and Forgotten are
	// the Ledger's.
	Lost                  map[string]uint64
	LostTotal             uint64
	Duplicates, Forgotten uint64

	Run *Run
}

// Wall is the wall clock at the monotonic time mono.
func (s *Snapshot) Wall(mono uint64) time.Time {
	return time.Unix(0, int64(mono)+s.Offset)
}

// Snapshot returns the state at the monotonic time now and starts the next
// interval of the rates.
func (t *Table) Snapshot(now uint64) *Snapshot {
	elapsed := t.tick(now)
	s := &Snapshot{
		Mono: now, Offset: t.cfg.Offset, Elapsed: t.elapsed,
		Rows:        make([]*Row, 0, len(t.conns)),
		Recent:      t.recent.list(),
		RecentCount: t.recent.n,
		Moments:     t.moments.list(),
		Totals:      t.totals, Rate: t.rate,
		Past:   [2][]float32{t.past[0].list(), t.past[1].list()},
		Counts: t.counts,
	}
	s.Lost, s.LostTotal = t.lost.sum()
	t.publish(s, elapsed.Seconds())
	t.groups(s)
	s.Detail = t.focus.detail(t.conns[t.focus.id])
	return s
}

// tick computes the overall rates and returns the time since the last tick, 0
// where there is no interval to speak of.
func (t *Table) tick(now uint64) time.Duration {
	if t.last == 0 {
		t.last = now
		return 0
	}
	elapsed := time.Duration(max(now, t.last) - t.last)
	if elapsed < minInterval {
		return 0
	}
	t.rate = rates(&t.totals, &t.prev, elapsed.Seconds())
	t.prev, t.last, t.elapsed = t.totals, now, elapsed
	for d := range t.past {
		t.past[d].add(float32(t.rate[d].Bytes))
	}
	return elapsed
}

// publish fills in the rows and drops the connections that lingered enough.
func (t *Table) publish(s *Snapshot, seconds float64) {
	for _, e := range t.order {
		if t.expired(e, s.Mono) {
			t.drop(e)
		}
		if e.removed {
			continue
		}
		row := e.publish(seconds)
		if seconds > 0 && (len(t.conns) <= closeConns || e.id() == t.focus.id) {
			e.remember()
		}
		s.Rows = append(s.Rows, row)
		s.tally(row)
	}
	t.order = sweep(t.order)
	t.forgetClosed()
}

func (t *Table) expired(e *entry, now uint64) bool {
	c := e.row.Closed
	return c != 0 && now > c && now-c > uint64(t.cfg.Linger)
}

// forgetClosed drops the ids at the front of closed that are gone already.
func (t *Table) forgetClosed() {
	for len(t.closed) > 0 && t.conns[t.closed[0]] == nil {
		t.closed = t.closed[1:]
	}
}

func (s *Snapshot) tally(r *Row) {
	if r.Closed != 0 {
		return
	}
	s.Open++
	hw := false
	for _, d := range r.TLS {
		hw = hw || d.Mode == event.ModeHW || d.Mode == event.ModeHWRecord
	}
	if hw {
		s.HW++
	} else {
		s.SW++
	}
}

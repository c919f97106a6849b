package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config limits how much a Table keeps. Zero values mean the defaults.
type Config struct {
	// MaxConns bounds the connections kept; DefaultConns if 0.
	MaxConns int
	// Linger is how long a closed connection stays; 10 s if 0.
	Linger time.Duration
	// Recent is the number of last records and moments kept; 512 if 0.
	Recent int
	// Offset is the wall clock minus the monotonic clock in nanoseconds.
	Offset int64
	// Sampled reports that totals and latencies come from Samples, and that TLS records
	// are reported only to be shown. Each DTLS record is reported and counted.
	Sampled bool
	// Audited reports that the events include the losses that a Ledger found before.
	Audited bool
}

func (c Config) withDefaults() Config {
	if c.MaxConns <= 0 {
		c.MaxConns = DefaultConns
	}
	if c.Linger <= 0 {
		c.Linger = 10 * time.Second
	}
	if c.Recent <= 0 {
		c.Recent = 512
	}
	return c
}

// Table adds up what happened, per connection and in all. Its memory is
// bounded. It is not safe for concurrent use; see Collector.
type Table struct {
	cfg    Config
	conns  map[uint64]*entry
	order  []*entry // by first sight
	hand   int      // where in order ageOut continues
	closed []uint64 // by time of closing; some may be evicted since

	totals, prev event.Totals
	rate         [2]Rate
	past         [2]series
	counts       Counts
	lost         hostLosses

	recent  ring[event.Record]
	moments ring[event.Event]
	focus   focus
	drivers drivers

	last    uint64 // monotonic time when the current interval began
	elapsed time.Duration
}

// Counts are numbers of events that a Table counted, or had no room for.
type Counts struct {
	// Opened counts the connections seen, Closed those whose end was seen.
	Opened, Closed uint64
	Errors         uint64
	// Dropped counts received DTLS records that no program reads (event.Drop).
	Dropped uint64
	// Evicted counts connections evicted for want of room: first closed ones, before
	// Config.Linger is over, then those that were idle for a minute, whose close may
	// have been lost. Untracked counts the events of connections that found no room
	// even then; their records are in the totals.
	Evicted, Untracked uint64
}

// NewTable returns an empty Table.
func NewTable(cfg Config) *Table {
	cfg = cfg.withDefaults()
	return &Table{
		cfg:     cfg,
		conns:   make(map[uint64]*entry),
		recent:  newRing[event.Record](cfg.Recent),
		moments: newRing[event.Event](cfg.Recent),
		focus:   newFocus(),
		drivers: drivers{},
		lost:    hostLosses{},
	}
}

// Apply enters an event. It keeps nothing of it that its owner may reuse.
func (t *Table) Apply(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Record:
		t.record(ev)
	case *event.Socket:
		t.socket(ev)
	case *event.Error:
		t.error(ev)
	case *event.Drop:
		t.drops(ev)
	case *event.Lost:
		t.loss(ev)
	case *event.Host:
		t.host(ev)
	}
}

// host enters that a host went away or came back. When it comes back, its connections are no
// longer known; those that are still open are found again.
func (t *Table) host(h *event.Host) {
	copied := *h
	*t.moments.slot() = &copied
	if h.State != event.HostHere {
		return
	}
	for _, e := range t.order {
		if !e.removed && e.row.Conn.Host == h.Name {
			t.drop(e)
		}
	}
	t.order = sweep(t.order)
}

// ApplySample replaces the totals of one connection by the kernel's sums.
func (t *Table) ApplySample(s *event.Sample) {
	e := t.entry(&s.Conn, s.Mono)
	if e == nil || e.stale(s) {
		return
	}
	t.grow(&s.Totals, &e.row.Totals)
	e.sample(s)
	if s.Final && e.row.Closed == 0 {
		t.close(e)
		e.edit().Closed = max(s.Mono, 1)
	}
}

// close counts the end of a connection, once.
func (t *Table) close(e *entry) {
	if e.row.Closed != 0 {
		return
	}
	t.counts.Closed++
	t.closed = append(t.closed, e.id())
}

// grow adds the increase of a connection's totals.
func (t *Table) grow(now, before *event.Totals) {
	for d := range now.Records {
		t.totals.Records[d] += gain(now.Records[d], before.Records[d])
		t.totals.Bytes[d] += gain(now.Bytes[d], before.Bytes[d])
	}
}

func (t *Table) record(r *event.Record) {
	t.keep(r)
	counts := !t.cfg.Sampled || r.TLS.Version.IsDTLS()
	if counts {
		t.totals.Add(r, r.Weight())
	}
	e := t.entry(&r.Conn, r.Mono)
	if e == nil {
		return
	}
	e.record(r)
	if counts {
		e.count(r)
	}
	t.focus.record(r)
}

// keep puts r among the last records and, if it is no data, into the timeline.
func (t *Table) keep(r *event.Record) {
	c := t.recent.slot()
	*c = *r
	c.Payload = nil
	if r.Control != nil {
		control := *r.Control
		c.Control = &control
	}
	if r.Type != event.ApplicationData {
		copied := *c
		*t.moments.slot() = &copied
	}
}

// drivers are those of all connections, each kind once.
type drivers map[[2]event.Driver]*[2]event.Driver

// share returns the same for equals, nil for nothing.
func (all drivers) share(d *[2]event.Driver) *[2]event.Driver {
	const most = 256 // there are few, except in a forged recording
	if *d == ([2]event.Driver{}) {
		return nil
	}
	if same := all[*d]; same != nil {
		return same
	}
	if len(all) == most {
		clear(all)
	}
	copied := *d
	all[copied] = &copied
	return &copied
}

func (t *Table) socket(s *event.Socket) {
	e := t.entry(&s.Conn, s.Mono)
	if e == nil {
		return
	}
	if s.State == event.SocketClose {
		t.close(e)
	}
	e.socket(s)
	if d := t.drivers.share(&s.Drivers); d != nil && e.row.Drivers != d {
		e.editInfo().Drivers = d
	}
	if s.State == event.SocketRekey || s.State == event.SocketClose || s.State == event.SocketAwaitsKey || s.State == event.SocketCard {
		copied := *s
		*t.moments.slot() = &copied
	}
}

func (t *Table) error(ev *event.Error) {
	t.counts.Errors += 1 + uint64(ev.More)
	copied := *ev
	*t.moments.slot() = &copied
	if ev.Conn.ID == 0 { // the kernel has no key of it
		return
	}
	if e := t.entry(&ev.Conn, ev.Mono); e != nil {
		e.touch(ev.Mono).Errors += 1 + uint64(ev.More)
		e.owner(&ev.Conn, &ev.Proc)
	}
}

func (t *Table) drops(ev *event.Drop) {
	t.counts.Dropped += ev.Count
	copied := *ev
	*t.moments.slot() = &copied
	if e := t.entry(&ev.Conn, ev.Mono); e != nil {
		e.touch(ev.Mono).Dropped += ev.Count
		e.owner(&ev.Conn, &ev.Proc)
	}
}

func (t *Table) loss(l *event.Lost) {
	t.lost.of(event.HostOf(l)).Add(l)
	copied := *l
	if l.Conn != nil {
		conn := *l.Conn
		copied.Conn = &conn
		if e := t.conns[conn.ID]; e != nil {
			e.edit().Lost += l.Count
		}
	}
	*t.moments.slot() = &copied
}

// Select chooses the connection that snapshots show in detail; 0 for none.
func (t *Table) Select(id uint64) {
	if id != t.focus.id {
		t.focus.choose(id)
		t.remember(id)
	}
	if e := t.conns[id]; e != nil {
		e.close = true
	}
}

// remember gives the focus the last records of the chosen connection, without payload.
func (t *Table) remember(id uint64) {
	if id == 0 {
		return
	}
	recent := t.recent.list()
	for i := range recent {
		t.focus.record(&recent[i])
	}
}

// entry returns the entry of a connection that had an event at the monotonic time mono. It
// creates one if necessary, and returns nil if there is no room.
func (t *Table) entry(c *event.Conn, mono uint64) *entry {
	if e, ok := t.conns[c.ID]; ok {
		return e
	}
	if c.ID == 0 || len(t.conns) >= t.cfg.MaxConns && !t.evictClosed() && !t.ageOut(mono) {
		t.counts.Untracked++
		return nil
	}
	e := newEntry(c)
	e.close = len(t.conns) < closeConns
	t.conns[c.ID] = e
	t.order = append(t.order, e)
	t.counts.Opened++
	return e
}

// evictClosed drops the connection that closed first.
func (t *Table) evictClosed() bool {
	for len(t.closed) > 0 {
		id := t.closed[0]
		t.closed = t.closed[1:]
		if e, ok := t.conns[id]; ok {
			t.evict(e)
			return true
		}
	}
	return false
}

const (
	// idleTime: a connection without events for so long may be closed.
	idleTime = uint64(time.Minute)
	// agedPerCall is how many connections ageOut examines at most.
	agedPerCall = 16
)

// ageOut evicts a connection that has been idle for idleTime, if it finds one. It does
// nothing if the kernel adds up: then each close is reported, and the totals of a connection
// that comes back would be added twice.
func (t *Table) ageOut(now uint64) bool {
	if t.cfg.Sampled {
		return false
	}
	for range min(agedPerCall, len(t.order)) {
		t.hand = (t.hand + 1) % len(t.order)
		if e := t.order[t.hand]; !e.removed && e.row.Last+idleTime <= now {
			t.evict(e)
			return true
		}
	}
	return false
}

func (t *Table) evict(e *entry) {
	t.drop(e)
	t.counts.Evicted++
	t.compact()
}

func (t *Table) drop(e *entry) {
	e.removed = true
	delete(t.conns, e.id())
}

// compact sweeps the dropped entries out of order once they are the majority.
func (t *Table) compact() {
	if len(t.order) > 2*len(t.conns)+64 {
		t.order = sweep(t.order)
	}
}

func sweep(order []*entry) []*entry {
	kept := order[:0]
	for _, e := range order {
		if !e.removed {
			kept = append(kept, e)
		}
	}
	clear(order[len(kept):])
	return kept
}

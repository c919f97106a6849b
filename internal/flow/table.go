package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config says how much a Table keeps. Zero values have defaults.
type Config struct {
	// MaxConns bounds the connections kept; DefaultConns if 0.
	MaxConns int
	// Linger is how long a closed connection stays; 10 s if 0.
	Linger time.Duration
	// Recent is the number of last records and moments kept; 512 if 0.
	Recent int
	// Offset is the wall clock minus the monotonic clock in nanoseconds.
	Offset int64
	// Sampled says that totals and latencies come from Samples, and that
	// records are told only to be looked at; but those of DTLS, each of which is reported.
	Sampled bool
	// Audited says that the events have been through a Ledger before, and that
	// its findings are among them.
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
	hand   int      // where in order ageOut goes on looking
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

// Counts are events that a Table counted, or had to leave out.
type Counts struct {
	// Opened counts the connections seen, Closed those whose end was seen.
	Opened, Closed uint64
	Errors         uint64
	// Dropped counts the records of DTLS that came and that nobody reads (event.Drop).
	Dropped uint64
	// Evicted counts connections dropped for want of room: closed ones before
	// their time, then those that were idle for a minute, whose end may never be
	// told. Untracked counts the events of connections that found no room all the
	// same (their records are in the totals).
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

// Apply enters an event. Nothing of it is kept that its owner may reuse.
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

// host notes that a host went away, or came back: then nothing is known of its
// connections any more, and those that are still open are found anew.
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

// ApplySample replaces what was known of one connection by what the kernel
// counted.
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

// grow adds what a connection's totals gained.
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
	const most = 256 // there are few, unless a recording was made up
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

// remember gives the focus those of the last records that are the chosen
// connection's; their payload is gone.
func (t *Table) remember(id uint64) {
	if id == 0 {
		return
	}
	recent := t.recent.list()
	for i := range recent {
		t.focus.record(&recent[i])
	}
}

// entry finds a connection of which something was reported at the monotonic time
// mono, or makes room for it; nil if there is none.
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
	// idleTime is how long nothing is told of a connection that may be gone.
	idleTime = uint64(time.Minute)
	// agedPerCall is how many connections ageOut looks at, at most.
	agedPerCall = 16
)

// ageOut drops a connection that has been idle for long, if it comes upon one. Of
// those that the kernel adds up each end is reported, and their totals would be added
// twice if they came again.
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

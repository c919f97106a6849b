package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// entry is a connection in the Table.
type entry struct {
	// row is what the next Snapshot shows. A row that a Snapshot has published, and its
	// Info, are copied before they change.
	row             *Row
	shown, ownsInfo bool
	dirty           bool         // something changed since it was shown
	removed         bool         // evicted, and still in the order of the Table
	close           bool         // keeps a histogram of each stage, and not of the total alone
	prev            event.Totals // at the last tick
	lat             [2]*Hists
	past            *[2]series
}

func newEntry(c *event.Conn) *entry {
	return &entry{row: &Row{Info: &Info{Conn: *c}}, ownsInfo: true}
}

func (e *entry) id() uint64 { return e.row.Conn.ID }

// edit returns the connection's row for a change; what is shown stays.
func (e *entry) edit() *Row {
	if e.shown {
		row := *e.row
		e.row, e.shown = &row, false
	}
	e.dirty = true
	return e.row
}

// editInfo does the same with its Info.
func (e *entry) editInfo() *Info {
	row := e.edit()
	if !e.ownsInfo {
		info := *row.Info
		row.Info, e.ownsInfo = &info, true
	}
	return row.Info
}

// touch notes that something happened at the monotonic time mono.
func (e *entry) touch(mono uint64) *Row {
	row := e.edit()
	if row.First == 0 {
		row.First = mono
	}
	row.Last = max(row.Last, mono)
	return row
}

// owner keeps the last process that used the connection. Work of the kernel outside of any
// call, and another thread of the same process, do not change it. A connection of a part of
// the kernel keeps that owner, whichever task works for it.
func (e *entry) owner(c *event.Conn, p *event.Process) {
	if c.KernelUser != "" && c.KernelUser != e.row.Conn.KernelUser {
		e.editInfo().Conn.KernelUser = c.KernelUser
	}
	owner := e.row.Conn.Owner(p)
	if (owner.PID != 0 || owner.Kernel) && !sameOwner(&e.row.Proc, &owner) {
		e.editInfo().Proc = owner
	}
}

func sameOwner(a, b *event.Process) bool {
	return a.PID == b.PID && a.Comm == b.Comm && a.CgroupID == b.CgroupID && a.SamePlace(b)
}

// protect enters how direction d is protected. Zero-copy, which can differ from record to
// record, stays set once it was seen. Card is that of the last record.
func (e *entry) protect(d event.Dir, t event.TLS) {
	if t.Card == event.CardNone {
		t.Mode = event.ModeSW
	}
	t.Card = event.CardNotAsked
	t.ZeroCopy = t.ZeroCopy || e.row.TLS[d].ZeroCopy
	if e.row.TLS[d] != t {
		e.editInfo().TLS[d] = t
	}
}

func (e *entry) record(r *event.Record) {
	d := r.Dir & 1
	row := e.touch(r.Mono)
	e.owner(&r.Conn, &r.Proc)
	e.protect(d, r.TLS)
	if r.Type != event.ApplicationData {
		row.Control++
	}
	if r.Gen >= row.Gen[d] {
		row.Gen[d], row.KeyRecords[d] = r.Gen, r.Seq+1
	}
}

// count adds a record, and those that it represents, to the totals and the histograms.
func (e *entry) count(r *event.Record) {
	e.edit().Totals.Add(r, r.Weight())
	if r.Lat.Total != 0 {
		e.hists(r.Dir & 1).add(&r.Lat)
	}
}

func (e *entry) hists(d event.Dir) *Hists {
	if e.lat[d] == nil {
		e.lat[d] = new(Hists)
	}
	if e.close && e.lat[d].Stage == nil {
		e.lat[d].Stage = new([3]Hist)
	}
	return e.lat[d]
}

func (e *entry) socket(s *event.Socket) {
	row := e.touch(s.Mono)
	e.owner(&s.Conn, &s.Proc)
	if s.State == event.SocketClose {
		// By now the kernel may have forgotten the rest.
		row.Closed = max(s.Mono, 1)
		return
	}
	e.protect(event.TX, s.TX)
	e.protect(event.RX, s.RX)
	row.Gen = [2]uint32{s.GenTX, s.GenRX}
	row.KeyRecords = [2]uint64{s.NextTX, s.NextRX}
}

// publish returns the current row, the same as before if nothing changed. seconds is the
// time since the last call, 0 if there was none.
func (e *entry) publish(seconds float64) *Row {
	if !e.dirty && e.shown && e.idle() {
		return e.row
	}
	changed := e.dirty
	row := e.edit()
	if seconds > 0 {
		row.Rate = rates(&row.Totals, &e.prev, seconds)
		e.prev = row.Totals
	}
	if changed {
		e.sumUp(row)
	}
	e.shown, e.ownsInfo, e.dirty = true, false, false
	return row
}

func (e *entry) idle() bool { return e.row.Rate == [2]Rate{} && e.row.Totals == e.prev }

func (e *entry) sumUp(row *Row) {
	for d, h := range e.lat {
		if h != nil {
			row.Lat[d] = h.stats()
		}
	}
}

func rates(now, before *event.Totals, seconds float64) (r [2]Rate) {
	for d := range r {
		r[d].Records = float64(gain(now.Records[d], before.Records[d])) / seconds
		r[d].Bytes = float64(gain(now.Bytes[d], before.Bytes[d])) / seconds
	}
	return r
}

// gain is now minus before, 0 where a counter read from per-CPU parts stepped
// back.
func gain(now, before uint64) uint64 { return max(now, before) - before }

// remember adds the current rates to the connection's past, which is kept only
// for those that ever moved.
func (e *entry) remember() {
	if e.past == nil {
		if e.row.Rate == [2]Rate{} {
			return
		}
		e.past = new([2]series)
	}
	for d := range e.past {
		e.past[d].add(float32(e.row.Rate[d].Bytes))
	}
}

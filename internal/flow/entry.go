package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// entry is a connection in the Table.
type entry struct {
	// row is what the next Snapshot shows. Once one shows it, it is copied
	// before it is changed, and so is its Info.
	row             *Row
	shown, ownsInfo bool
	dirty           bool         // something changed since it was shown
	removed         bool         // dropped, and still in the Table's order
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

// owner keeps the last process that was seen at work. Work that the kernel did
// by itself does not change the owner, nor does another thread. What a part of the kernel
// has is its own, whoever is at work.
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

// protect notes how direction d is protected. Zero-copy sticks: it may differ
// from one record to the next. Of a network card counts what it did with the last.
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

// count adds a record to the totals, with those that it stands for, and to the
// histograms.
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

// publish returns the row as of now, the old one where nothing changed. seconds
// is the time since the last call, 0 where there is none to divide by.
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

package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// entry is a connection in the Table: what its Row is computed from.
type entry struct {
	info  *Info
	act   Activity
	prev  event.Totals // at the last tick
	pub   *Row         // as last published; nil before
	lat   [2]*Hists
	past  *[2]series
	dirty bool // something changed since pub
	gone  bool // dropped, and still in the Table's order
	// close keeps a histogram of each stage, and not of the total alone.
	close bool
}

func (e *entry) id() uint64 { return e.info.Conn.ID }

// touch notes that something happened at the monotonic time mono.
func (e *entry) touch(mono uint64) {
	if e.act.First == 0 {
		e.act.First = mono
	}
	e.act.Last = max(e.act.Last, mono)
	e.dirty = true
}

// edit returns the connection's Info for a change; the published one stays.
func (e *entry) edit() *Info {
	if e.pub != nil && e.pub.Info == e.info {
		info := *e.info
		e.info = &info
	}
	return e.info
}

// owner keeps the last process that was seen at work. Work that the kernel did
// by itself does not change the owner, nor does another thread.
func (e *entry) owner(p *event.Process) {
	if o := &e.info.Proc; p.PID != 0 && !sameOwner(o, p) {
		e.edit().Proc = *p
	}
}

func sameOwner(a, b *event.Process) bool {
	return a.PID == b.PID && a.Comm == b.Comm && a.CgroupID == b.CgroupID && a.Container == b.Container
}

// protect notes how direction d is protected. Zero-copy sticks: it may differ
// from one record to the next.
func (e *entry) protect(d event.Dir, t event.TLS) {
	t.ZeroCopy = t.ZeroCopy || e.info.TLS[d].ZeroCopy
	if e.info.TLS[d] != t {
		e.edit().TLS[d] = t
	}
}

func (e *entry) record(r *event.Record) {
	d := r.Dir & 1
	e.touch(r.Mono)
	e.owner(&r.Proc)
	e.protect(d, r.TLS)
	if r.Type != event.ApplicationData {
		e.act.Control++
	}
	if r.Gen >= e.act.Gen[d] {
		e.act.Gen[d], e.act.KeyRecords[d] = r.Gen, r.Seq+1
	}
}

// count adds a record to the totals, with those that it stands for, and to the
// histograms.
func (e *entry) count(r *event.Record) {
	d := r.Dir & 1
	e.act.Totals.Records[d] += r.Weight()
	e.act.Totals.Bytes[d] += r.Weight() * uint64(r.Len)
	if r.Lat.Total != 0 {
		e.hists(d).add(&r.Lat)
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
	e.touch(s.Mono)
	e.owner(&s.Proc)
	if s.State == event.SocketClose {
		// By now the kernel may have forgotten the rest.
		e.act.Closed = max(s.Mono, 1)
		return
	}
	e.protect(event.TX, s.TX)
	e.protect(event.RX, s.RX)
	e.act.Gen = [2]uint32{s.GenTX, s.GenRX}
	e.act.KeyRecords = [2]uint64{s.NextTX, s.NextRX}
}

// publish returns the row as of now, the old one where nothing changed. seconds
// is the time since the last call, 0 where there is none to divide by.
func (e *entry) publish(seconds float64) *Row {
	if !e.dirty && e.pub != nil && e.idle() {
		return e.pub
	}
	row := &Row{Info: e.info, Activity: e.act}
	if e.pub != nil {
		row.Rate, row.Lat = e.pub.Rate, e.pub.Lat
	}
	if seconds > 0 {
		row.Rate = rates(&e.act.Totals, &e.prev, seconds)
		e.prev = e.act.Totals
	}
	if e.dirty {
		e.sumUp(row)
	}
	e.pub, e.dirty = row, false
	return row
}

func (e *entry) idle() bool { return e.pub.Rate == [2]Rate{} && e.act.Totals == e.prev }

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

// remember adds the present rates to the connection's past, which is kept only
// for those that ever moved.
func (e *entry) remember() {
	if e.past == nil {
		if e.pub.Rate == [2]Rate{} {
			return
		}
		e.past = new([2]series)
	}
	for d := range e.past {
		e.past[d].add(float32(e.pub.Rate[d].Bytes))
	}
}

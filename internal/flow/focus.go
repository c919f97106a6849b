package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// focusRecords is the number of last records kept of the chosen connection,
// with their payload.
const focusRecords = 64

// focus is what is kept of the one connection that somebody looks at.
type focus struct {
	id      uint64
	records ring[event.Record]
	size    [2]Hist
	last    *Detail // stays when the connection is gone from the Table
}

// Detail is one connection seen closely. It is never changed once published.
type Detail struct {
	Row *Row
	// Lat are the latencies of each direction since the connection was seen.
	Lat [2]Hists
	// Size are the plaintext lengths in bytes of its records among the last of
	// all connections when it was chosen, and of those since.
	Size [2]Hist
	// Past are the bytes per second of the last snapshots, the oldest first.
	Past [2][]float32
	// Records are the last of those, the oldest first; since the connection was
	// chosen with the payload that the tier allows.
	Records []event.Record
	// Held is what it holds back now, nil for nothing.
	Held *event.Held
}

func newFocus() focus { return focus{records: newRing[event.Record](focusRecords)} }

func (f *focus) choose(id uint64) {
	if f.id == id {
		return
	}
	f.id = id
	f.records.reset()
	f.size = [2]Hist{}
	f.last = nil
}

func (f *focus) record(r *event.Record) {
	if r.Conn.ID != f.id {
		return
	}
	if !r.Unsent {
		f.size[r.Dir&1].Add(uint64(r.Len))
	}
	c := f.records.slot()
	*c = *r
	c.Payload = append([]byte(nil), r.Payload...)
	if r.Control != nil {
		control := *r.Control
		c.Control = &control
	}
}

// detail is the current view of e, or the last one where e is nil.
func (f *focus) detail(e *entry) *Detail {
	if e == nil {
		return f.last
	}
	d := &Detail{Row: e.row, Records: f.records.list()}
	for i := range d.Lat {
		d.Size[i] = f.size[i].Clone()
		if e.lat[i] != nil {
			d.Lat[i] = e.lat[i].Clone()
		}
		if e.past != nil {
			d.Past[i] = e.past[i].list()
		}
	}
	f.last = d
	return d
}

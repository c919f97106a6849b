package flow

import "github.com/ktlstop/ktlstop/pkg/event"

func (h *Hist) load(k *event.Log2Hist) {
	clear(h.counts)
	*h = Hist{counts: h.counts, base: h.base, coarse: true}
	for i, n := range k.N {
		h.AddLog2(i, uint64(n))
	}
	h.sum = k.Sum
	if k.Max != 0 {
		h.max = k.Max
	}
}

// stale reports that s brings nothing new: no record, and no name that was not known
// before. What is read while the kernel counts can have new sums with old buckets only
// where a reader looks backwards, and a Final one is always taken.
func (e *entry) stale(s *event.Sample) bool {
	if s.Final || e.row.Totals != s.Totals || s.Conn.KernelUser != e.row.Conn.KernelUser || s.Proc.PID != 0 && !e.row.Proc.SamePlace(&s.Proc) {
		return false
	}
	for d := range s.Lat {
		if e.lat[d] != nil && e.lat[d].Total.sum != s.Lat[d][3].Sum {
			return false
		}
	}
	return true
}

func (e *entry) sample(s *event.Sample) {
	row := e.touch(s.Mono)
	e.owner(&s.Conn, &s.Proc)
	row.Totals = s.Totals
	for d := range s.Lat {
		e.sampleSide(s, event.Dir(d))
	}
}

// sampleSide takes over one direction, unless it has not moved yet. A new key
// can be reported before its first record.
func (e *entry) sampleSide(s *event.Sample, d event.Dir) {
	if s.Totals.Records[d] == 0 {
		return
	}
	if row := e.edit(); s.Gen[d] >= row.Gen[d] {
		row.Gen[d], row.KeyRecords[d] = s.Gen[d], s.Next[d]
	}
	e.protect(d, s.TLS[d])
	e.hists(d).load(&s.Lat[d])
}

func (h *Hists) load(lat *[4]event.Log2Hist) {
	h.Total.load(&lat[3])
	for i := range h.StageSum {
		h.StageSum[i] = lat[i].Sum
		if h.Stage != nil {
			h.Stage[i].load(&lat[i])
		}
	}
}

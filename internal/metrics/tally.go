package metrics

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// stages are the times of a record that are added up: three stages, and the total last.
const (
	stages = 3
	total  = stages
)

// hist is an event.Log2Hist with counters that do not overflow in years.
type hist struct {
	n        [event.Log2Buckets]uint64
	sum, max uint64 // nanoseconds
}

// side is one direction of a connection, or of many.
type side struct {
	records, bytes uint64
	lat            [stages + 1]hist
}

// tally has both directions, by event.Dir.
type tally [2]side

// load copies the counters of a sample.
func (t *tally) load(s *event.Sample) {
	for d := range t {
		t[d].records, t[d].bytes = s.Totals.Records[d], s.Totals.Bytes[d]
		for i := range t[d].lat {
			t[d].lat[i].load(&s.Lat[d][i])
		}
	}
}

func (h *hist) load(k *event.Log2Hist) {
	h.sum, h.max = k.Sum, k.Max
	for i, n := range k.N {
		h.n[i] = uint64(n)
	}
}

// sample adds a connection's sums.
func (t *tally) sample(s *event.Sample) {
	for d := range t {
		t[d].records += s.Totals.Records[d]
		t[d].bytes += s.Totals.Bytes[d]
		if s.Totals.Records[d] == 0 {
			continue
		}
		for i := range t[d].lat {
			t[d].lat[i].sample(&s.Lat[d][i])
		}
	}
}

func (h *hist) sample(k *event.Log2Hist) {
	if k.Sum == 0 && k.Max == 0 {
		return
	}
	h.sum += k.Sum
	h.max = max(h.max, k.Max)
	for i, n := range k.N {
		h.n[i] += uint64(n)
	}
}

// add adds another tally.
func (t *tally) add(o *tally) {
	for d := range t {
		t[d].records += o[d].records
		t[d].bytes += o[d].bytes
		for i := range t[d].lat {
			t[d].lat[i].add(&o[d].lat[i])
		}
	}
}

func (h *hist) add(o *hist) {
	h.sum += o.sum
	h.max = max(h.max, o.max)
	for i, n := range o.n {
		h.n[i] += n
	}
}

// raise makes no counter fall below its earlier value: when the kernel counts during a
// read, some parts may be old and others new.
func (t *tally) raise(before *tally) {
	for d := range t {
		t[d].records = max(t[d].records, before[d].records)
		t[d].bytes = max(t[d].bytes, before[d].bytes)
		for i := range t[d].lat {
			t[d].lat[i].raise(&before[d].lat[i])
		}
	}
}

func (h *hist) raise(before *hist) {
	h.sum, h.max = max(h.sum, before.sum), max(h.max, before.max)
	for i := range h.n {
		h.n[i] = max(h.n[i], before.n[i])
	}
}

// record adds a record that is reported as an event.
func (t *tally) record(r *event.Record) {
	s := &t[r.Dir&1]
	n := r.Weight()
	s.records += n
	s.bytes += n * uint64(r.Len)
	for i, d := range r.Lat.Stage {
		s.lat[i].observe(d, 1)
	}
	s.lat[total].observe(r.Lat.Total, 1)
}

// observe adds a time; 0 means unknown.
func (h *hist) observe(ns, n uint64) {
	if ns == 0 {
		return
	}
	h.sum += n * ns
	h.max = max(h.max, ns)
	h.n[bucketOf(ns)] += n
}

// count is the number of values.
func (h *hist) count() (n uint64) {
	for _, b := range h.n {
		n += b
	}
	return n
}

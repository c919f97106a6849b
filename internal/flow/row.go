package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Info identifies a connection. Rows and snapshots share it, and nobody changes it.
type Info struct {
	Conn event.Conn
	Proc event.Process
	TLS  [2]event.TLS
	// Drivers are the implementations of the ciphers, nil where they are not known.
	// Many connections share them.
	Drivers *[2]event.Driver
}

// Row is the state of one connection in a Snapshot. Arrays of two elements are indexed by
// event.Dir. A published Row never changes.
type Row struct {
	*Info
	Activity
	Rate [2]Rate
	Lat  [2]Stats
}

// Activity counts what a connection did.
type Activity struct {
	// First and Last are the monotonic times, in nanoseconds, of the first and
	// the last thing seen; Closed is that of the end, 0 while it is open.
	First, Last, Closed uint64

	Totals event.Totals

	// Gen is the key generation, and KeyRecords counts the records under the current key.
	Gen        [2]uint32
	KeyRecords [2]uint64

	Errors, Lost, Control uint64
	// Dropped counts its received DTLS records that no program reads.
	Dropped uint64
}

// Rate is per second, over the time that truly passed between two snapshots.
type Rate struct{ Records, Bytes float64 }

// Busier is the direction with more bytes, or more records where those are
// equal: the one whose latency a single column shows.
func (r *Row) Busier() event.Dir {
	b, n := r.Totals.Bytes, r.Totals.Records
	if b[event.RX] > b[event.TX] || b[event.RX] == b[event.TX] && n[event.RX] > n[event.TX] {
		return event.RX
	}
	return event.TX
}

// Age is how long the connection has been known at the monotonic time now.
func (r *Row) Age(now uint64) time.Duration {
	if r.Closed != 0 {
		now = r.Closed
	}
	return time.Duration(now - min(now, r.First))
}

// StageNames are the names of event.Latency.Stage by direction (docs/design.md, "Times").
var StageNames = [2][3]string{{"queue", "encrypt", "push"}, {"wait", "decrypt", "deliver"}}

// Stats summarizes the latencies of one direction in nanoseconds. P50 and P99 are as exact
// as Hist; the others are exact.
type Stats struct {
	Count               uint64
	P50, P99, Max, Mean uint64
	// Stage is the mean of each stage (event.Latency.Stage) over all records.
	Stage [3]uint64
	// Coarse says that the quantiles come from plain powers of two.
	Coarse bool
}

// Hists are the histograms of one direction, in nanoseconds.
type Hists struct {
	Total Hist
	// Stage is nil where there are too many connections to keep all of them.
	Stage *[3]Hist
	// StageSum is exact in any case.
	StageSum [3]uint64
}

func (h *Hists) add(l *event.Latency) {
	h.Total.Add(l.Total)
	for i, v := range l.Stage {
		if v == 0 {
			continue
		}
		h.StageSum[i] += v
		if h.Stage != nil {
			h.Stage[i].Add(v)
		}
	}
}

// stats sums h up. A stage that was not seen in a record counts as 0 there.
func (h *Hists) stats() Stats {
	s := Stats{
		Count: h.Total.Count(), Mean: h.Total.Mean(), Max: h.Total.Max(),
		P50: h.Total.Quantile(0.5), P99: h.Total.Quantile(0.99),
		Coarse: h.Total.Coarse(),
	}
	if s.Count == 0 {
		return s
	}
	for i, sum := range h.StageSum {
		s.Stage[i] = sum / s.Count
	}
	return s
}

// merge adds o's totals, and of the stages what a mean needs.
func (h *Hists) merge(o *Hists) {
	h.Total.Merge(&o.Total)
	for i, sum := range o.StageSum {
		h.StageSum[i] += sum
	}
}

// Clone returns a copy that shares nothing with h.
func (h *Hists) Clone() Hists {
	c := Hists{Total: h.Total.Clone(), StageSum: h.StageSum}
	if h.Stage != nil {
		c.Stage = new([3]Hist)
		for i := range h.Stage {
			c.Stage[i] = h.Stage[i].Clone()
		}
	}
	return c
}

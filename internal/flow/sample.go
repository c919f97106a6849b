package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// Sample is what the kernel aggregated for one connection since the trace saw
// it. All counts are cumulative. Arrays of two are indexed by event.Dir.
type Sample struct {
	Conn   event.Conn
	Proc   event.Process
	TLS    [2]event.TLS
	Mono   uint64 // of the last record, in nanoseconds
	Totals event.Totals
	// Gen counts the keys, Next is the sequence of the next record.
	Gen  [2]uint32
	Next [2]uint64
	// Stage and Total are nil where the kernel was not asked for them.
	Stage [2][3]*KernelHist
	Total [2]*KernelHist
}

// KernelHist is a histogram of nanoseconds as BPF programs keep it: Log2[k]
// counts the values of [2^k, 2^(k+1)); 0 counts among the first.
type KernelHist struct {
	Log2     []uint64
	Sum, Max uint64
}

func (h *Hist) load(k *KernelHist) {
	clear(h.counts)
	*h = Hist{counts: h.counts, base: h.base}
	for i, n := range k.Log2 {
		h.AddLog2(i, n)
	}
	h.sum = k.Sum
	if k.Max != 0 {
		h.max = k.Max
	}
}

func (e *entry) sample(s *Sample) {
	e.touch(s.Mono)
	e.owner(&s.Proc)
	e.act.Gen, e.act.KeyRecords, e.act.Totals = s.Gen, s.Next, s.Totals
	for d := range s.Total {
		e.protect(event.Dir(d), s.TLS[d])
		if s.Total[d] != nil {
			e.hists(event.Dir(d)).load(s.Total[d], &s.Stage[d])
		}
	}
}

func (h *Hists) load(total *KernelHist, stage *[3]*KernelHist) {
	h.Total.load(total)
	for i, k := range stage {
		if k == nil {
			continue
		}
		h.StageSum[i] = k.Sum
		if h.Stage != nil {
			h.Stage[i].load(k)
		}
	}
}

package flow

import (
	"runtime"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

func BenchmarkCollectorRecord(b *testing.B) {
	c := NewCollector(Config{})
	r := data(1, event.TX, 0, 16384, second, 310, 5200, 900)
	b.ReportAllocs()
	for i := range b.N {
		r.Conn.ID, r.Seq = uint64(i%1024)+1, uint64(i/1024)
		c.Observe(r)
	}
}

// filled is a Table of n connections with a few records each way.
func filled(n int) *Table {
	t := NewTable(Config{})
	for id := range uint64(n) {
		for i := range uint64(5) {
			tx := data(id+1, event.TX, i, 16384, second+i, 300+id%97, 5000*(i+1), 900)
			rx := data(id+1, event.RX, i, 100, second+i, 900+id%89, 700*(i+1), 400)
			tx.Proc.PID = uint32(id%50) + 1
			rx.Proc.PID = tx.Proc.PID
			t.Apply(tx)
			t.Apply(rx)
		}
	}
	return t
}

func BenchmarkSnapshot10kBusy(b *testing.B) {
	t := filled(10_000)
	t.Snapshot(second)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range uint64(b.N) {
		for id := range uint64(10_000) {
			t.entry(&event.Conn{ID: id + 1}).dirty = true
		}
		t.Snapshot((i + 2) * second)
	}
}

// TestMemoryOf100kConnections holds DESIGN §9's bound: the Table, two snapshots
// and the Ledger of 100,000 connections within 150 MB.
func TestMemoryOf100kConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("fills 100,000 connections; run without -short")
	}
	before := heap()
	tab := filled(100_000)
	first := tab.Snapshot(2 * second)
	second := tab.Snapshot(3 * second)
	used := heap() - before
	t.Logf("%d MB for %d connections", used>>20, len(tab.conns))
	if used > 150<<20 {
		t.Errorf("%d MB, at most 150", used>>20)
	}
	runtime.KeepAlive(tab)
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkSample(b *testing.B) {
	t := NewTable(Config{Sampled: true})
	s := &Sample{Conn: event.Conn{ID: 1}, Mono: second}
	for d := range s.Total {
		s.Total[d] = kernelHist()
		for i := range s.Stage[d] {
			s.Stage[d][i] = kernelHist()
		}
	}
	b.ReportAllocs()
	for i := range b.N {
		s.Conn.ID = uint64(i%1000) + 1
		s.Totals.Records[0]++
		t.ApplySample(s)
	}
}

func kernelHist() *KernelHist {
	h := &KernelHist{Log2: make([]uint64, 64), Sum: 1e6, Max: 40_000}
	for k := 9; k < 16; k++ {
		h.Log2[k] = uint64(100 * k)
	}
	return h
}

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
			t.entry(&event.Conn{ID: id + 1}, 0).dirty = true
		}
		t.Snapshot((i + 2) * second)
	}
}

// TestMemoryOf100kConnections holds a Table of 100,000 connections and two
// snapshots without a common row to what leaves room for the rest: the dashboard
// collects when a seventh more is in use, and has 150 MB in all.
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
	if used > 127<<20 {
		t.Errorf("%d MB, at most 127", used>>20)
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

// BenchmarkSample10kBusy is one tick's reading of 10,000 connections that all
// have moved.
func BenchmarkSample10kBusy(b *testing.B) {
	t := NewTable(Config{Sampled: true})
	s := sampled()
	b.ReportAllocs()
	for b.Loop() {
		s.Totals.Records[0]++
		for id := range uint64(10_000) {
			s.Conn.ID = id + 1
			t.ApplySample(s)
		}
	}
}

// Reading a connection again takes no memory.
func TestSampleDoesNotAllocate(t *testing.T) {
	tab := NewTable(Config{Sampled: true})
	s := sampled()
	tab.ApplySample(s)
	if n := testing.AllocsPerRun(100, func() {
		s.Totals.Records[0]++
		tab.ApplySample(s)
	}); n != 0 {
		t.Errorf("%v allocations for a sample", n)
	}
}

func sampled() *event.Sample {
	s := &event.Sample{Conn: event.Conn{ID: 1}, Mono: second, Totals: event.Totals{Records: [2]uint64{1, 1}}}
	for d := range s.Lat {
		for i := range s.Lat[d] {
			h := &s.Lat[d][i]
			h.Sum, h.Max = 1e6, 40_000
			for k := 9; k < 16; k++ {
				h.N[k] = uint32(100 * k)
			}
		}
	}
	return s
}

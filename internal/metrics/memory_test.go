package metrics

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/event"
)

const sampleBytes = uint64(unsafe.Sizeof(event.Sample{}))

// memory is the memory in use.
func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkRound reads the sums of 100,000 connections, without the kernel's part.
func BenchmarkRound(b *testing.B) {
	f, samples := many(b, 100_000, 20)
	for b.Loop() {
		for i := range samples {
			f.Sample(&samples[i])
		}
		f.Round()
	}
}

// BenchmarkScrape scrapes the highest possible number of groups.
func BenchmarkScrape(b *testing.B) {
	f, _ := many(b, 10_000, 200)
	for b.Loop() {
		f.scrape(b)
	}
}

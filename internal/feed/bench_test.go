package feed

import (
	"fmt"
	"io"
	"testing"

	"github.com/ktlstop/ktlstop/internal/sink"
)

// drain accepts every line.
type drain struct{ io.Writer }

func (drain) Close() error { return nil }

// BenchmarkHub measures what a record costs the run, by the number of readers.
func BenchmarkHub(b *testing.B) {
	for _, readers := range []int{1, 32} {
		b.Run(fmt.Sprint(readers, " readers"), func(b *testing.B) {
			h := New(Config{Clock: sink.FixedClock(0), Mono: func() uint64 { return 1 }})
			for range readers {
				r := &reader{}
				r.queue = sink.NewQueue(drain{io.Discard}, sink.QueueConfig{Bytes: 4 << 20})
				r.out = sink.NewShare(r.queue)
				h.readers = append(h.readers, r)
			}
			r := record(7, 0)
			b.ReportAllocs()
			for b.Loop() {
				r.Seq++
				if err := h.Write(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

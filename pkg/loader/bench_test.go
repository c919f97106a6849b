package loader

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// ringSamples are the bytes of one record each way, as the ring hands them out.
func ringSamples() [][]byte {
	tx, rx := sent(12), returned(12, 11, 900)
	for _, w := range []*wireEvent{&tx, &rx} {
		w.Cookie, w.NetNS, w.Family, w.LPort, w.RPort = 8193, 4026531840, uint8(event.FamilyINET), 443, 51234
		w.Version, w.Cipher, w.Mode, w.Type = 0x304, 52, 1, uint8(event.ApplicationData)
		w.Comm = event.MakeComm("nginx")
	}
	return [][]byte{tx.encode(), rx.encode()}
}

// read takes one sample from bytes to event, as Tracer.Run does.
func read(a *assembler, w *wireEvent, sample []byte, out func(event.Event) error) error {
	if err := w.decode(sample); err != nil {
		return err
	}
	return a.add(w, out)
}

func BenchmarkRead(b *testing.B) {
	samples := ringSamples()
	a := newAssembler(nil)
	var w wireEvent
	var total uint64
	out := func(e event.Event) error { total += uint64(e.(*event.Record).Len); return nil }
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := read(a, &w, samples[i&1], out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if total != 100*uint64(b.N) {
		b.Errorf("%d bytes of %d records came out", total, b.N)
	}
}

// No allocation for an event (docs/design.md, "Budgets"), control records aside.
func TestReadDoesNotAllocate(t *testing.T) {
	samples := ringSamples()
	a := newAssembler(nil)
	var w wireEvent
	out := func(event.Event) error { return nil }
	if n := testing.AllocsPerRun(100, func() {
		for _, s := range samples {
			if err := read(a, &w, s, out); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for two records", n)
	}
}

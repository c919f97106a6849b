package assemble

import (
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// ringSamples are the bytes of one record in each direction, as the ring has them.
func ringSamples() [][]byte {
	tx, rx := sent(12), returned(12, 11, 900)
	for _, w := range []*wire.Event{&tx, &rx} {
		w.Layout, w.Proto = wire.Layout, wire.ProtoTLS
		w.Cookie, w.Netns, w.Family, w.Lport, w.Rport = 8193, 4026531840, uint8(event.FamilyINET), 443, 51234
		w.Version, w.Cipher, w.Mode, w.Type = 0x304, 52, 1, uint8(event.ApplicationData)
		w.Comm = event.MakeComm("nginx")
	}
	return [][]byte{tx.Bytes(), rx.Bytes()}
}

// read takes one sample from bytes to event, as Tracer.Run does.
func read(a *Assembler, w *wire.Event, sample []byte, out func(event.Event) error) error {
	if err := w.Decode(sample); err != nil {
		return err
	}
	return a.Add(w, out)
}

func BenchmarkRead(b *testing.B) {
	samples := ringSamples()
	a := New(nil, Options{})
	var w wire.Event
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

// No allocation for an event (docs/design.md, "Budgets"), except control records.
func TestReadDoesNotAllocate(t *testing.T) {
	samples := ringSamples()
	a := New(nil, Options{})
	var w wire.Event
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

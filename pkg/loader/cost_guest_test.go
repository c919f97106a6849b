package loader

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/guesttest"
)

// measured is how many runs of its programs the kernel measured. The setting
// kernel.bpf_stats_enabled does not show whether it does: a tracer asks by a descriptor.
func measured(t *testing.T, tr *Tracer) (runs uint64) {
	t.Helper()
	for name, p := range tr.programs() {
		s, err := p.Stats()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		runs += s.RunCount
	}
	return runs
}

// TestOpenStops: an Open whose context has ended leaves nothing attached.
func TestOpenStops(t *testing.T) {
	needGuest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if tr, err := Open(ctx, Config{}); tr != nil || !errors.Is(err, ErrStopped) {
		t.Errorf("%v, %v", tr, err)
	}
}

// TestMeasuredWhileAsked: the kernel measures no run of a program unless the cost
// is asked for, and then none beyond the window.
func TestMeasuredWhileAsked(t *testing.T) {
	needGuest(t)
	guesttest.OnEnds(t)
	for name, cfg := range map[string]Config{"records": {}, "sums": {Aggregate: true}, "plaintext": {Snaplen: 100}, "cost": {Cost: true}} {
		t.Run(name, func(t *testing.T) {
			tr, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			a, b := kernelTLS(t)
			exchange(t, a, b, 20, 100)
			in := measured(t, tr)
			if (in > 0) != cfg.Cost {
				t.Errorf("%d runs are measured", in)
			}
			tr.meter.Tick(tr.begin.Add(time.Minute)) // the end of a window, if there is one
			exchange(t, a, b, 20, 100)
			if n := measured(t, tr); n != in {
				t.Errorf("%d runs are measured, %d of them in the window", n, in)
			}
		})
	}
}

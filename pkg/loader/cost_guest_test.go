package loader

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/guesttest"
)

// unmeasured switches the kernel's measuring of BPF programs off until the test
// ends, where guests have it on from boot on (internal/vm). It comes before the
// first program is attached and goes after the last: the kernel patches its text
// while nothing runs there.
func unmeasured(t *testing.T) {
	t.Helper()
	needGuest(t)
	const setting = "/proc/sys/kernel/bpf_stats_enabled"
	before, err := os.ReadFile(setting)
	if err == nil {
		err = os.WriteFile(setting, []byte("0"), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(setting, before, 0); err != nil {
			t.Error(err)
		}
	})
}

// measured is how many runs of its programs the kernel measured. The setting
// above does not show whether it does: a tracer asks by a descriptor.
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
			unmeasured(t)
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
			tr.meter.Step(tr.begin.Add(time.Minute)) // the end of a window, if there is one
			exchange(t, a, b, 20, 100)
			if n := measured(t, tr); n != in {
				t.Errorf("%d runs are measured, %d of them in the window", n, in)
			}
		})
	}
}

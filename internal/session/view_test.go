package session

import (
	"slices"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

// TestRingsReportLosses: a ring has lost what the loader reports of it,
// under each of its causes.
func TestRingsReportLosses(t *testing.T) {
	w := newView(&replayed{fills: []loader.BufferUsage{
		{Name: "events", Causes: []string{"ring_full", "ring_full_events"}, Size: 100, Used: 90},
		{Name: "payloads", Causes: []string{"payload_ring_full"}},
	}}, &Config{Clock: NewClock(nil)})
	rings := w.present(map[string]uint64{"ring_full": 3, "ring_full_events": 4, "payload_ring_full": 5, "payload_ring_full_events": 6}).Rings
	if len(rings) != 2 || rings[0].Lost != 7 || rings[0].Used != 90 || rings[1].Lost != 5 {
		t.Errorf("%+v", rings)
	}
}

// TestHooksThatComeLate: what is attached while a run lasts is in its next picture, and what is said of it is said once.
func TestHooksThatComeLate(t *testing.T) {
	tracer := &replayed{}
	w := newView(tracer, &Config{Clock: NewClock(nil), About: About{Notes: []string{"a limit"}}})
	tracer.hooks = []loader.HookState{{Function: "tls_device_sendmsg", Attached: true}}
	for range 2 {
		r := w.present(nil)
		if len(r.Hooks) != 1 || r.Hooks[0].Name != "tls_device_sendmsg" || !r.Hooks[0].Attached {
			t.Errorf("hooks %+v", r.Hooks)
		}
		if want := []string{"a hook", "a limit"}; !slices.Equal(r.Notes, want) {
			t.Errorf("notes %q, want %q", r.Notes, want)
		}
	}
}

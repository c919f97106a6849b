package loader

import (
	"errors"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/meter"
)

// setter is the variable by which records are left out.
type setter func(any) error

func (s setter) Set(v any) error { return s(v) }

// A run leaves records out as long as it may, and then ends with what it took.
func TestCostError(t *testing.T) {
	var set []any
	cfg := Config{MaxCPU: 5, Sample: &Sampling{Every: 500}}
	every := setter(func(v any) error { set = append(set, v); return nil })
	tr := &Tracer{maxCPU: 5, meter: meter.New(nil, meter.Demand{}), governor: meter.NewGovernor(limits(&cfg, every))}
	for window, share := range []float64{9, 8, 7} {
		if err := tr.enforceLimit(share); err != nil {
			t.Fatalf("window %d: %v", window, err)
		}
	}
	var cost *CostError
	if err := tr.enforceLimit(6); !errors.As(err, &cost) || *cost != (CostError{6, 5}) {
		t.Errorf("got %v", err)
	}
	if len(set) != 1 || set[0] != uint32(1000) {
		t.Errorf("set to %v, want once to 1000", set)
	}
}

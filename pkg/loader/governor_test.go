package loader

import (
	"errors"
	"slices"
	"testing"
)

// govern feeds shares to a governor and returns what it set, and the window
// after which it gave up, 0 for none.
func govern(t *testing.T, cfg Config, shares ...float64) (set []uint32, gaveUp int) {
	t.Helper()
	told := 0
	cfg.Notice = func(string) { told++ }
	g := newGovernor(&cfg, setter(func(v any) error { set = append(set, v.(uint32)); return nil }))
	for i, share := range shares {
		err := g.judge(share)
		var cost *CostError
		if errors.As(err, &cost) {
			if cost.Share != share || cost.Limit != cfg.MaxCPU {
				t.Errorf("it says %+v after a share of %v", cost, share)
			}
			gaveUp = i + 1
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if told != len(set) {
		t.Errorf("%d changes, %d of them told", len(set), told)
	}
	return set, gaveUp
}

type setter func(any) error

func (s setter) Set(v any) error { return s(v) }

func TestGovernor(t *testing.T) {
	all := &Sampling{Every: 1}
	for _, c := range []struct {
		name   string
		cfg    Config
		shares []float64
		set    []uint32
		gaveUp int
	}{
		{"within the limit", Config{MaxCPU: 5, Sample: all}, []float64{4, 5, 4, 5, 4, 5}, nil, 0},
		{"one bad window", Config{MaxCPU: 5, Sample: all}, []float64{9, 4, 9, 4, 9, 4}, nil, 0},
		{"steps, then the end", Config{MaxCPU: 5, Sample: all}, []float64{9, 9, 9, 9, 9, 9, 9, 9, 9}, []uint32{10, 100, 1000}, 8},
		{"up and down again", Config{MaxCPU: 5, Sample: all}, []float64{9, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []uint32{10, 100, 10, 1}, 0},
		{"half of the limit is no reason to go down", Config{MaxCPU: 5, Sample: all}, []float64{9, 9, 3, 3, 3, 3, 3, 3, 3}, []uint32{10}, 0},
		{"from what was asked for", Config{MaxCPU: 5, Sample: &Sampling{Every: 300}}, []float64{9, 9, 1, 1, 1, 1, 1, 9, 9, 9, 9}, []uint32{1000, 300, 1000}, 11},
		{"more was asked for than steps reach", Config{MaxCPU: 5, Sample: &Sampling{Every: 5000}}, []float64{9, 9}, nil, 2},
		{"nothing may be left out", Config{MaxCPU: 5}, []float64{9, 4, 9, 9}, nil, 4},
	} {
		set, gaveUp := govern(t, c.cfg, c.shares...)
		if !slices.Equal(set, c.set) || gaveUp != c.gaveUp {
			t.Errorf("%s: set %v, gave up after %d, want %v and %d", c.name, set, gaveUp, c.set, c.gaveUp)
		}
	}
	var none *governor
	if err := none.judge(1e6); err != nil {
		t.Error(err)
	}
}

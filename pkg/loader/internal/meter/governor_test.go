package meter

import (
	"slices"
	"testing"
)

// govern passes shares to a governor and returns the values that it set, and the window
// after which it gave up, 0 for none.
func govern(t *testing.T, l Limits, shares ...float64) (set []uint32, gaveUp int) {
	t.Helper()
	reported := 0
	l.Notice = func(string) { reported++ }
	l.Set = func(every uint32) error { set = append(set, every); return nil }
	g := NewGovernor(l)
	for i, share := range shares {
		tooMuch, err := g.Check(share)
		if err != nil {
			t.Fatal(err)
		}
		if tooMuch {
			gaveUp = i + 1
			break
		}
	}
	if reported != len(set) {
		t.Errorf("%d changes, %d of them reported", len(set), reported)
	}
	return set, gaveUp
}

func TestGovernor(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		shares []float64
		set    []uint32
		gaveUp int
	}{
		{"within the limit", Limits{CPU: 5, Least: 1}, []float64{4, 5, 4, 5, 4, 5}, nil, 0},
		{"one bad window", Limits{CPU: 5, Least: 1}, []float64{9, 4, 9, 4, 9, 4}, nil, 0},
		{"steps, then the end", Limits{CPU: 5, Least: 1}, []float64{9, 9, 9, 9, 9, 9, 9, 9, 9}, []uint32{10, 100, 1000}, 8},
		{"up and down again", Limits{CPU: 5, Least: 1}, []float64{9, 9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []uint32{10, 100, 10, 1}, 0},
		{"half of the limit is no reason to go down", Limits{CPU: 5, Least: 1}, []float64{9, 9, 3, 3, 3, 3, 3, 3, 3}, []uint32{10}, 0},
		{"from what was asked for", Limits{CPU: 5, Least: 300}, []float64{9, 9, 1, 1, 1, 1, 1, 9, 9, 9, 9}, []uint32{1000, 300, 1000}, 11},
		{"more was asked for than steps reach", Limits{CPU: 5, Least: 5000}, []float64{9, 9}, nil, 2},
		{"nothing may be left out", Limits{CPU: 5}, []float64{9, 4, 9, 9}, nil, 4},
	} {
		set, gaveUp := govern(t, c.limits, c.shares...)
		if !slices.Equal(set, c.set) || gaveUp != c.gaveUp {
			t.Errorf("%s: set %v, gave up after %d, want %v and %d", c.name, set, gaveUp, c.set, c.gaveUp)
		}
	}
	var none *Governor
	if tooMuch, err := none.Check(1e6); tooMuch || err != nil {
		t.Error(tooMuch, err)
	}
}

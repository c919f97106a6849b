package cost

import (
	"os"
	"path/filepath"
	"testing"
)

// cheaper is a program in place of the work. Each start of it costs one less: 99, 98
// and so on.
func cheaper(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "work")
	script := "#!/bin/sh\necho >> " + dir + "/starts\necho '{\"send\": 60, \"recv\": '$((40 - $(wc -l < " + dir + "/starts)))'}'\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return program
}

// TestRounds: the cheapest of all starts counts, and a cost that is too high is
// measured in more rounds, but not for ever.
func TestRounds(t *testing.T) {
	const starts = 4
	for _, c := range []struct {
		name   string
		rounds int
		enough func(tool string, load Load, c Cost) bool
		want   int // starts
	}{
		{"as often as asked for", 2, nil, 2 * starts},
		{"cheap at once", 2, func(_ string, _ Load, c Cost) bool { return c.Total() < 99 }, 2 * starts},
		{"cheap in the third round", 1, func(_ string, _ Load, c Cost) bool { return c.Total() <= float64(99-2*starts) }, 3 * starts},
		{"never cheap", 1, func(string, Load, Cost) bool { return false }, (1 + moreRounds) * starts},
	} {
		reported := 0
		n := Runner{Self: cheaper(t), Rounds: c.rounds, Starts: starts, Enough: c.enough, Progress: func(Result) { reported++ }}
		all, err := n.Measure(&Tool{Name: Untraced}, Small)
		if err != nil || len(all) != 1 || reported != 1 {
			t.Fatalf("%s: %d results, %d reported, %v", c.name, len(all), reported, err)
		}
		if got := int(100 - all[0].Cost.Total()); got != c.want {
			t.Errorf("%s: %d starts, want %d", c.name, got, c.want)
		}
	}
}

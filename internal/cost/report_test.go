package cost

import (
	"strings"
	"testing"
)

// report is one load under two tools: untraced, and one that adds 100
// instructions to each half.
func report(send, recv float64) *Report {
	l := Load{Size: 100, Conns: 1}
	return &Report{Counted: []Result{
		{Tool: Untraced, Load: l, Cost: Cost{1000, 2000}},
		{Tool: "trace", Load: l, Cost: Cost{1000 + send, 2000 + recv}},
	}}
}

func renamed(r *Report) *Report {
	r.Counted[1].Tool = "another"
	return r
}

func TestCheck(t *testing.T) {
	committed := report(2000, 3000)
	for _, c := range []struct {
		name string
		now  *Report
		want string // in the error, "" for none
	}{
		{"the same", report(2000, 3000), ""},
		{"cheaper", report(1000, 3000), ""},
		{"within two of a hundred", report(2050, 3050), ""},
		{"dearer", report(2100, 3100), "5200 instructions a record, committed are 5000"},
		{"moved from one half to the other", report(3000, 2000), ""},
		{"nothing in common", &Report{}, "nothing to compare"},
		{"a tool that was never measured", renamed(report(2000, 3000)), "no figure is committed"},
	} {
		err := Check(c.now, committed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	noTwin := report(1, 1)
	noTwin.Counted = noTwin.Counted[1:]
	if err := Check(noTwin, committed); err == nil || !strings.Contains(err.Error(), "not measured untraced") {
		t.Errorf("without the untraced twin: %v", err)
	}
}

const printed = `goos: linux
pkg: github.com/ktlstop/ktlstop/internal/flow
BenchmarkLedger-2   	 100	        10.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkLedger-2   	 100	        30.0 ns/op	       8 B/op	       1 allocs/op
BenchmarkLedger-2   	 100	        20.0 ns/op	       0 B/op	       0 allocs/op
PASS
`

func TestReadBenches(t *testing.T) {
	got, err := ReadBenches(strings.NewReader(printed))
	if err != nil || len(got) != 1 || got[0].Name != "flow.Ledger" || got[0].AllocsPerOp != 0 || got[0].NsPerOp < 19 || got[0].NsPerOp > 21 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ReadBenches(strings.NewReader("PASS\n")); err == nil {
		t.Error("no error where nothing was measured")
	}
}

func TestCheckAllocs(t *testing.T) {
	was := &User{Benches: []Bench{{Name: "a"}, {Name: "b", AllocsPerOp: 100}}}
	now := &User{Benches: []Bench{{Name: "a", AllocsPerOp: 1}, {Name: "b", AllocsPerOp: 101}, {Name: "new", AllocsPerOp: 5}}}
	err := CheckAllocs(now, was)
	if err == nil || !strings.Contains(err.Error(), "a: 1 allocations") || strings.Contains(err.Error(), "b:") {
		t.Errorf("%v", err)
	}
	if err := CheckAllocs(was, was); err != nil {
		t.Error(err)
	}
}

package cost

import (
	"strings"
	"testing"
)

// report is one load untraced and under a tool whose programs take so many
// instructions a record.
func report(tool string, programs float64) *Report {
	l := Load{Size: 100, Conns: 1}
	return &Report{Counted: []Result{
		{Tool: Untraced, Load: l, Cost: Cost{1000, 2000}},
		{Tool: tool, Load: l, Cost: Cost{1500, 2700}, Programs: &programs},
	}}
}

func TestCheck(t *testing.T) {
	committed := report("trace", 5000)
	for _, c := range []struct {
		name string
		now  *Report
		want string // in the error, "" for none
	}{
		{"the same", report("trace", 5000), ""},
		{"cheaper", report("trace", 4000), ""},
		{"within two of a hundred", report("trace", 5100), ""},
		{"dearer", report("trace", 5101), "5101 instructions a record, committed are 5000"},
		{"no program ran", &Report{Counted: []Result{{Tool: "trace"}}}, "no program ran"},
		{"nothing in common", &Report{}, "nothing to compare"},
		{"a tool that was never measured", report("another", 5000), "no figure is committed"},
	} {
		err := Check(c.now, committed)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	committed.Counted[1].Programs = nil
	if err := Check(report("trace", 1), committed); err == nil || !strings.Contains(err.Error(), "no figure is committed") {
		t.Errorf("where the programs were not measured: %v", err)
	}
}

func TestOverhead(t *testing.T) {
	r := report("trace", 1)
	if c, err := r.Overhead(&r.Counted[1]); err != nil || c != (Cost{500, 700}) || c.Total() != 1200 {
		t.Errorf("%+v, %v", c, err)
	}
	alone := &Report{Counted: r.Counted[1:]}
	if _, err := alone.Overhead(&alone.Counted[0]); err == nil || !strings.Contains(err.Error(), "not measured untraced") {
		t.Errorf("without the untraced twin: %v", err)
	}
}

func TestProgramInfo(t *testing.T) {
	const program = "pos:\t0\nflags:\t02000002\nprog_type:\t26\nprog_id:\t17\nrun_time_ns:\t954480\nrun_cnt:\t6003\n"
	if id, ns, ok := programInfo(program); id != "17" || ns != 954480 || !ok {
		t.Errorf("%q, %v, %v", id, ns, ok)
	}
	for _, other := range []string{"", "pos:\t0\n", "link_type:\ttracing\nprog_id:\t17\n", "prog_id:\t17\nrun_time_ns:\tx\n"} {
		if _, _, ok := programInfo(other); ok {
			t.Errorf("%q counts as a program", other)
		}
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

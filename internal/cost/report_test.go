package cost

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// loads of a report that adds so much to a short and to a whole record, where a
// read of a whole one takes 14000.
func report(short, whole float64) *Report {
	r := &Report{Kernel: "Linux 6.12.94+deb13-amd64", Read: 14000}
	r.Add(Result{Tool: Untraced, Load: Small, Cost: Cost{1000, 2000}}, Result{Tool: Untraced, Load: Whole, Cost: Cost{50000, 90000}},
		Result{Tool: "short", Load: Small, Cost: Cost{1000 + short/2, 2000 + short/2}},
		Result{Tool: "whole", Load: Whole, Cost: Cost{50000, 90000 + 28000 + whole}})
	return r
}

var modes = []Mode{{Tool: Tool{Name: "short"}, Load: Small}, {Tool: Tool{Name: "whole"}, Load: Whole, Reads: 2}}

func TestFigure(t *testing.T) {
	r := report(700, 2600)
	for i, want := range []float64{700, 2600} {
		if got, ok := r.Figure(&modes[i]); !ok || got != want {
			t.Errorf("%s adds %v, %v; want %v", modes[i].Name, got, ok, want)
		}
	}
	if _, ok := r.Figure(&Mode{Tool: Tool{Name: "short"}, Load: Whole}); ok {
		t.Error("a figure of what was not measured")
	}
	alone := &Report{Counted: r.Counted[2:]}
	if _, ok := alone.Figure(&modes[0]); ok {
		t.Error("a figure without the untraced twin")
	}
}

// TestAdd: of two results of the same load, the cheaper one counts as a whole: its
// halves belong together.
func TestAdd(t *testing.T) {
	r := report(0, 0)
	for _, c := range []Cost{{900, 2200}, {990, 2005}, {1100, 1890}, {500, 2600}} {
		r.Add(Result{Tool: Untraced, Load: Small, Cost: c})
	}
	if got := r.find(Untraced, Small).Cost; got != (Cost{1100, 1890}) {
		t.Errorf("%+v", got)
	}
	if len(r.Counted) != 4 {
		t.Errorf("%d results, want 4", len(r.Counted))
	}
}

func TestLeast(t *testing.T) {
	if c := costliest.least(Cost{1, 2}); c != (Cost{1, 2}) || !math.IsInf(costliest.Total(), 1) {
		t.Errorf("%+v", c)
	}
}

func TestCheck(t *testing.T) {
	committed, newer := report(5000, 2600), report(5000, 2600)
	newer.Kernel = "Linux 6.12.95+deb13-amd64"
	for _, c := range []struct {
		name      string
		now       *Report
		err, note string // in them, "" for none
	}{
		{"the same", report(5000, 2600), "", ""},
		{"a little cheaper", report(4910, 2600), "", ""},
		{"within two of a hundred", report(5100, 2652), "", ""},
		{"dearer", report(5101, 2600), "6.12, short: adds 5101 instructions to a record, committed are 5000", ""},
		{"dearer beyond the reads", report(5000, 2653), "6.12, whole: adds 2653", ""},
		{"far cheaper", report(4000, 2600), "", "short: adds 4000 instructions to a record, committed are 5000: refresh them"},
		{"not measured", &Report{Kernel: committed.Kernel}, "6.12, short: not measured", ""},
		{"another package", newer, "", "measured on Linux 6.12.95+deb13-amd64, committed is Linux 6.12.94"},
	} {
		notes, err := Check(modes, c.now, committed)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
		if note := strings.Join(notes, "\n"); (note == "") != (c.note == "") || !strings.Contains(note, c.note) {
			t.Errorf("%s: note %q, want %q", c.name, note, c.note)
		}
	}
	if _, err := Check(modes, committed, &Report{}); err == nil || !strings.Contains(err.Error(), "no figure is committed (make bench-modes)") {
		t.Errorf("of a kernel without figures: %v", err)
	}
}

// TestEnough: only a cost above the committed one is measured again.
func TestEnough(t *testing.T) {
	now := report(0, 0)
	enough := now.Enough(modes, report(5000, 2600))
	for _, c := range []struct {
		tool string
		load Load
		adds float64
		want bool
	}{
		{"short", Small, 5100, true}, {"short", Small, 5101, false}, {"short", Whole, 1e6, true}, {"another", Small, 1e6, true},
		{Untraced, Small, 6, true}, {Untraced, Small, 7, false}, {Untraced, Sizes[1], 1e6, true},
	} {
		if got := enough(c.tool, c.load, Cost{1000, 2000 + c.adds}); got != c.want {
			t.Errorf("%s, %v, %v more: %v", c.tool, c.load, c.adds, got)
		}
	}
	now.Kernel = "Linux 6.12.95+deb13-amd64"
	if !now.Enough(modes, report(5000, 2600))(Untraced, Small, Cost{1e6, 1e6}) {
		t.Error("the untraced work of another package is tried again")
	}
	if !now.Enough(modes, &Report{})("short", Small, Cost{1e6, 1e6}) {
		t.Error("without a committed figure it would be tried for nothing")
	}
}

func TestLacks(t *testing.T) {
	var r Report
	r.NotRun("strace", errors.New("strace: it ended: no ptrace\nand more"))
	if got := r.Absent["strace"]; got != "it ended: no ptrace" {
		t.Errorf("%q", got)
	}
}

func TestSeries(t *testing.T) {
	for kernel, want := range map[string]string{
		"Linux 6.1.0-56-amd64": "6.1", "Linux 6.12.94+deb13-amd64": "6.12", "Linux 7.3.4+deb14-amd64": "7.3", "": "",
	} {
		if got := (&Report{Kernel: kernel}).Series(); got != want {
			t.Errorf("%q is of %q, want %q", kernel, got, want)
		}
	}
}

func TestReadSummary(t *testing.T) {
	for _, c := range []struct {
		said string
		want summary
		err  string
	}{
		{`{"type":"record"}` + "\n" + `{"type":"summary","records":{"tx":3,"rx":2},"lost":{"ring_full":7},"lost_total":7}` + "\n", summary{counts{3, 2}, 7}, ""},
		{`{"type":"snapshot","tx":{"records":5,"bytes":1},"rx":{"records":4},"lost_total":0}`, summary{counts{5, 4}, 0}, ""},
		{`{"type":"record"}`, summary{}, "without a summary"},
		{"killed", summary{}, "without a summary"},
		{"", summary{}, "without a summary"},
	} {
		got, err := readSummary(c.said)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %+v, %v; want %+v, %q", c.said, got, err, c.want, c.err)
		}
	}
}

// TestSawAll: figures of a tool that lost or missed records do not count.
func TestSawAll(t *testing.T) {
	said := func(tx, rx, lost string) string {
		return `{"type":"summary","records":{"tx":` + tx + `,"rx":` + rx + `},"lost_total":` + lost + "}\n"
	}
	for _, c := range []struct {
		name, said string
		tool       Tool
		ok         bool
	}{
		{"all", said("9", "9", "0"), Tool{Counts: true}, true},
		{"one missed", said("9", "8", "0"), Tool{Counts: true}, false},
		{"one lost", said("9", "9", "1"), Tool{Counts: true}, false},
		{"none, as asked", said("0", "0", "0"), Tool{Counts: true, Refuses: true}, true},
		{"all, though asked to refuse", said("9", "9", "0"), Tool{Counts: true, Refuses: true}, false},
		{"another tool", "9 packets captured", Tool{}, true},
	} {
		r := &running{tool: &c.tool, sent: 9}
		r.text.Write([]byte(c.said))
		if err := r.sawAll(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTail(t *testing.T) {
	var said tail
	for range 9 {
		said.Write([]byte(strings.Repeat("x", tailSize/2)))
	}
	said.Write([]byte("end"))
	if s := said.String(); len(s) < tailSize || len(s) > 2*tailSize || !strings.HasSuffix(s, "xend") {
		t.Errorf("%d bytes, ...%q", len(s), s[len(s)-9:])
	}
}

// TestTable: the kernels stand side by side, by version, and a missing figure is a
// dash.
func TestTable(t *testing.T) {
	old, young := &Report{Kernel: "Linux 6.1.0-56-amd64", Read: 14430}, &Report{Kernel: "Linux 6.12.94", Read: 20600}
	old.Add(Result{Tool: Untraced, Load: Small, Cost: Cost{17606, 20689}}, Result{Tool: "trace", Load: Small, Cost: Cost{19356, 22186}})
	young.Absent = map[string]string{"bpftrace, the same hooks": "no such function"}
	got := yardstick(map[string]Report{"6.12": *young, "6.1": *old})
	for _, want := range []string{
		"| | 6.1.0-56-amd64 | 6.12.94 |\n", "| events, all stages | 3247 | – |\n", "untraced* | 38295 | – |\n", "of 16 KiB* | 14430 | 20600 |\n",
		"bpftrace, the same hooks did not run on 6.12: no such function",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
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

package vm

import (
	"errors"
	"strings"
	"testing"
)

// planned is the schedule of arguments that are separated by commas.
func planned(t *testing.T, args string) *schedule {
	t.Helper()
	t.Setenv("KTLSTOP_ALL", "")
	o, err := parseTest(strings.FieldsFunc(args, func(r rune) bool { return r == ',' }))
	if err != nil {
		t.Fatal(err)
	}
	var binaries []testBinary
	for _, arch := range o.arches() {
		for _, pkg := range o.packages {
			binaries = append(binaries, testBinary{pkg: pkg, arch: arch})
		}
	}
	return o.plan(binaries)
}

func TestPlan(t *testing.T) {
	for args, want := range map[string]string{
		"": "6.1 ./e2e-2 ./e2e-1 ./pkg/ktls, 7.3 ./e2e-2 ./e2e-1 ./pkg/ktls, " +
			"6.12 ./e2e-2 ./e2e-1 ./pkg/ktls, 6.12-arm64 ./e2e ./pkg/ktls, 6.1-rt ./e2e, 6.17 ./e2e, 6.18 ./e2e, 7.2 ./e2e, 7.3-cloud ./e2e, 7.3-rt ./e2e",
		"-run,TestX,-packages,./e2e":       "6.1 ./e2e, 7.3 ./e2e, 6.12 ./e2e",
		"-packages,./pkg/ktls":             "6.1 ./pkg/ktls, 7.3 ./pkg/ktls, 6.12 ./pkg/ktls",
		"-kernels,7.3 6.1,-packages,./a":   "6.1 ./a, 7.3 ./a",
		"-kernels,6.16":                    "6.16 ./e2e",
		"-kernels,7.2 6.1-rt":              "6.1-rt ./e2e, 7.2 ./e2e",
		"-kernels,6.12-arm64":              "6.12-arm64 ./e2e ./pkg/ktls",
		"-kernels,6.12-arm64,-run,TestX":   "6.12-arm64 ./e2e ./pkg/ktls",
		"-kernels,6.16,-run,TestX":         "6.16 ./e2e ./pkg/ktls",
		"-kernels,6.16,-packages,./a":      "6.16 ./a",
		"-kernels,6.1,-packages,./a ./e2e": "6.1 ./e2e-2 ./e2e-1 ./a",
	} {
		var got []string
		for _, w := range planned(t, args).kernels {
			words := []string{w.run.series}
			for _, b := range w.todo {
				words = append(words, b.pkg+b.half)
			}
			got = append(got, strings.Join(words, " "))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}

// guest is a guest of the next kernel, with its first package.
func guest(t *testing.T, s *schedule, series, pkg string) *work {
	t.Helper()
	w := s.next()
	if w == nil || w.run.series != series {
		t.Fatalf("the next guest is of %+v, want kernel %s", w, series)
	}
	takes(t, w, pkg)
	return w
}

func takes(t *testing.T, w *work, pkg string) {
	t.Helper()
	if b, ok := w.take(); b.pkg+b.half != pkg || ok != (pkg != "") {
		t.Errorf("kernel %s: took %q, want %q", w.run.series, b.pkg+b.half, pkg)
	}
}

// ends ends a guest that ran one test, and checks whether the kernel is done with it.
func ends(t *testing.T, w *work, last bool) {
	t.Helper()
	part := kernelRun{series: w.run.series, results: []testResult{{name: "Test", outcome: passed}}}
	if w.end(part, nil) != last {
		t.Errorf("kernel %s is done: %v, want %v", w.run.series, !last, last)
	}
}

// TestScheduleSharesTheLastKernel: a guest runs all packages of its kernel; when no kernel is left
// to start, one that has packages left, or half of one, gets a second guest, and is finished when
// both have ended.
func TestScheduleSharesTheLastKernel(t *testing.T) {
	s := planned(t, "-kernels,6.1 6.12 7.3,-packages,./a ./e2e")
	one, two := guest(t, s, "6.1", "./e2e-2"), guest(t, s, "7.3", "./e2e-2")
	takes(t, one, "./e2e-1")
	takes(t, one, "./a")
	takes(t, one, "")
	ends(t, one, true)
	takes(t, two, "./e2e-1")
	takes(t, two, "./a")
	three := guest(t, s, "6.12", "./e2e-2")
	takes(t, two, "")
	ends(t, two, true)
	four := guest(t, s, "6.12", "./e2e-1")
	takes(t, three, "./a")
	takes(t, four, "")
	ends(t, four, false)
	if w := s.next(); w != nil {
		t.Errorf("another guest of kernel %s", w.run.series)
	}
	takes(t, three, "")
	ends(t, three, true)
	if got := count(three.run.results).passed; got != 2 {
		t.Errorf("%d results of two guests", got)
	}
}

// TestHalves: every test is in one half and in no other.
func TestHalves(t *testing.T) {
	halves := planned(t, "-kernels,6.1,-packages,./e2e").kernels[0].todo
	if len(halves) != 2 || halves[0].half == halves[1].half || halves[0].run+halves[0].skip != firstHalf || halves[0].skip != halves[1].run ||
		halves[0].run != halves[1].skip {
		t.Errorf("the halves are %+v", halves)
	}
}

// TestScheduleAfterDeath: a kernel whose guest died fails, no further package is tried on it, and
// the error says so.
func TestScheduleAfterDeath(t *testing.T) {
	s := planned(t, "-kernels,6.1,-packages,./a ./e2e")
	w := guest(t, s, "6.1", "./e2e-2")
	if !w.end(kernelRun{series: "6.1"}, errors.New("died")) {
		t.Error("a kernel whose guest died is not done")
	}
	if s.next() != nil || count(w.run.results).failed != 1 {
		t.Errorf("after a death: %+v", w.run.results)
	}
	if got, want := w.run.results[0].String(), "kernel 6.1: died; not run: ./e2e-1, ./a"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNoTestRan: a kernel without one result fails.
func TestNoTestRan(t *testing.T) {
	s := planned(t, "-kernels,6.1,-packages,./a")
	w := guest(t, s, "6.1", "./a")
	if !w.end(kernelRun{series: "6.1"}, nil) || count(w.run.results).failed != 1 {
		t.Errorf("no test ran: %+v", w.run.results)
	}
}

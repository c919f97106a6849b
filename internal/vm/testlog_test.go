package vm

import (
	"strings"
	"testing"
)

const events = `{"Action":"run","Test":"TestA"}
{"Action":"run","Test":"TestA/x"}
{"Action":"pass","Test":"TestA/x"}
{"Action":"run","Test":"TestA/y"}
{"Action":"output","Test":"TestA/y","Output":"    a_test.go:3: no such cipher\n"}
{"Action":"output","Test":"TestA/y","Output":"--- SKIP: TestA/y (0.00s)\n"}
{"Action":"skip","Test":"TestA/y"}
{"Action":"pass","Test":"TestA"}
{"Action":"run","Test":"TestB"}
`

const verdict = `{"Action":"fail","Test":"TestB"}
{"Action":"output","Output":"FAIL\n"}
`

func readLog(t *testing.T, text string) *testLog {
	t.Helper()
	l := &testLog{pkg: "p"}
	if err := l.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestResultsCountLeaves(t *testing.T) {
	results := readLog(t, events+verdict).results(Status{Code: 1})
	if got := count(results).String(); got != "1 passed, 1 failed, 1 skipped" {
		t.Errorf("%s: %v", got, results)
	}
	if got := results[1].String(); got != "p TestA/y: a_test.go:3: no such cipher" {
		t.Errorf("reason: %q", got)
	}
}

func TestResultsOfDeadBinary(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		status Status
		want   string
	}{
		"died in a test":           {events, Status{Signal: 9}, "p TestB: did not end (killed by signal 9)"},
		"died between two":         {strings.Replace(events, `{"Action":"run","Test":"TestB"}`, "", 1), Status{}, "p (test binary): ended without a verdict: exit status 0"},
		"did not start":            {"", Status{Code: 127, Err: "not found"}, "p (test binary): ended without a verdict: not found"},
		"failed after the verdict": {`{"Action":"output","Output":"PASS\n"}`, Status{Code: 3}, "p (test binary): ended without a verdict: exit status 3"},
	} {
		c.events = strings.ReplaceAll(c.events, "\n\n", "\n")
		results := readLog(t, c.events).results(c.status)
		if len(results) == 0 || results[len(results)-1].String() != c.want || count(results).failed != 1 {
			t.Errorf("%s: %v, want %q", name, results, c.want)
		}
	}
}

func TestParentThatFailsByItself(t *testing.T) {
	results := readLog(t, `{"Action":"pass","Test":"TestA/x"}
{"Action":"fail","Test":"TestA"}
{"Action":"output","Output":"FAIL\n"}
`).results(Status{Code: 1})
	if got := count(results).String(); got != "1 passed, 1 failed, 0 skipped" {
		t.Errorf("%s: %v", got, results)
	}
}

func TestSkippedEverywhere(t *testing.T) {
	skip := testResult{pkg: "p", name: "TestS", outcome: skipped, reason: "no kTLS"}
	other := testResult{pkg: "p", name: "TestT", outcome: skipped}
	runs := []kernelRun{{results: []testResult{skip, other}}, {results: []testResult{skip, {pkg: "p", name: "TestT", outcome: passed}}}}
	got := skippedEverywhere(runs)
	if len(got) != 1 || got[0].name != "TestS" || got[0].outcome != failed {
		t.Errorf("got %v", got)
	}
}

func TestComplete(t *testing.T) {
	for args, want := range map[string]bool{"": true, "-run X": false, "-kernels 6.1": false} {
		o, err := parseTest(strings.Fields(args))
		if err != nil || o.complete() != want {
			t.Errorf("%q: %v, %v", args, o.complete(), err)
		}
	}
}

// A subtest's name may contain slashes, and then no test of the shorter name ran.
func TestResultsOfNamesWithSlashes(t *testing.T) {
	results := readLog(t, `{"Action":"run","Test":"TestA"}
{"Action":"run","Test":"TestA/kernel/x"}
{"Action":"pass","Test":"TestA/kernel/x"}
{"Action":"pass","Test":"TestA"}
{"Action":"output","Output":"PASS\n"}
`).results(Status{})
	if got := count(results).String(); got != "1 passed, 0 failed, 0 skipped" {
		t.Errorf("%s: %v", got, results)
	}
}

package vm

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A testEvent is one line of go tool test2json.
type testEvent struct{ Action, Test, Output string }

// outcome is how a test ended, in test2json's words.
type outcome string

const (
	passed    outcome = "pass"
	failed    outcome = "fail"
	skipped   outcome = "skip"
	elsewhere outcome = "elsewhere" // skipped here, because another kernel runs it
)

// A testResult is the end of one test of one package.
type testResult struct {
	pkg, name string
	outcome   outcome // empty while it runs
	reason    string  // the last thing it printed
	parent    bool    // has subtests
	kernels   string  // the kernel that the test is left to
}

func (r testResult) String() string {
	return strings.TrimSuffix(r.pkg+" "+r.name+": "+r.reason, ": ")
}

// A testLog gathers the results of one test binary from its events.
type testLog struct {
	pkg   string
	tests []*testResult
	ended bool // the binary itself printed PASS or FAIL
}

// read reads all events.
func (t *testLog) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e testEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("read test2json: %w", err)
		}
		t.add(e)
	}
	return lines.Err()
}

func (t *testLog) add(e testEvent) {
	if e.Test == "" {
		line := strings.TrimSpace(e.Output)
		t.ended = t.ended || line == "PASS" || line == "FAIL"
		return
	}
	r := t.find(e.Test)
	switch e.Action {
	case "pass", "fail", "skip":
		r.outcome = outcome(e.Action)
	case "output":
		if line := strings.TrimSpace(e.Output); line != "" && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "=== ") {
			r.reason = line
		}
	}
}

func (t *testLog) find(name string) *testResult {
	for _, r := range t.tests {
		if r.name == name {
			return r
		}
	}
	// A slash does not always separate a test from its subtest: it may be in a name.
	for _, r := range t.tests {
		r.parent = r.parent || strings.HasPrefix(name, r.name+"/")
	}
	r := &testResult{pkg: t.pkg, name: name}
	t.tests = append(t.tests, r)
	return r
}

// results evaluates the binary as a whole. Only leaf tests count, and a parent that failed itself;
// a test that never ended failed, and so did a binary that failed without a failed test.
func (t *testLog) results(status Status) []testResult {
	var all []testResult
	for _, r := range t.tests {
		r := *r
		r.classify()
		if r.outcome == "" {
			r.outcome, r.reason = failed, strings.TrimSuffix("did not end ("+describe(status)+"): "+r.reason, ": ")
		}
		if !r.parent || r.outcome == failed && !t.failedBelow(r.name) {
			all = append(all, r)
		}
	}
	anyFailed := slices.ContainsFunc(all, func(r testResult) bool { return r.outcome == failed })
	if (status.ExitCode() != 0 || !t.ended) && !anyFailed {
		all = append(all, testResult{pkg: t.pkg, name: "(test binary)", outcome: failed, reason: "ended without a verdict: " + describe(status)})
	}
	return all
}

func (t *testLog) failedBelow(name string) bool {
	return slices.ContainsFunc(t.tests, func(r *testResult) bool {
		return strings.HasPrefix(r.name, name+"/") && r.outcome != passed && r.outcome != skipped
	})
}

func describe(s Status) string {
	switch {
	case s.Err != "":
		return s.Err
	case s.Signal != 0:
		return fmt.Sprintf("killed by signal %d", s.Signal)
	}
	return fmt.Sprintf("exit status %d", s.Code)
}

// A tally counts results.
type tally struct{ passed, failed, skipped, elsewhere int }

func (t *tally) add(r testResult) {
	switch r.outcome {
	case passed:
		t.passed++
	case skipped:
		t.skipped++
	case elsewhere:
		t.elsewhere++
	default:
		t.failed++
	}
}

func (t tally) String() string {
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
	if t.elsewhere > 0 {
		text += fmt.Sprintf(", %d run elsewhere", t.elsewhere)
	}
	return text
}

func count(results []testResult) tally {
	var t tally
	for _, r := range results {
		t.add(r)
	}
	return t
}

// skippedEverywhere returns, as failures, the tests that ran on no kernel: such a test proves
// nothing.
func skippedEverywhere(runs []kernelRun) []testResult {
	skips := map[testResult]int{}
	var order []testResult
	for _, run := range runs {
		for _, r := range run.results {
			if r.outcome != skipped {
				continue
			}
			key := testResult{pkg: r.pkg, name: r.name}
			if skips[key]++; skips[key] == len(runs) {
				key.outcome, key.reason = failed, "skipped on every kernel: "+r.reason
				order = append(order, key)
			}
		}
	}
	return order
}

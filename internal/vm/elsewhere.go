package vm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// leftTo is the message of a test that does not depend on the kernel, or not on every one, and
// leaves its run to others: e2e's onlyOn prints it.
var leftTo = regexp.MustCompile(`runs on (\S+(?:, \S+)*) only\b`)

// classify separates tests that are left to other kernels from other skipped tests.
func (r *testResult) classify() {
	if m := leftTo.FindStringSubmatch(r.reason); m != nil && r.outcome == skipped {
		r.outcome, r.kernels = elsewhere, m[1]
	}
}

// notRunElsewhere returns, as failures, the tests that one kernel left to another of this run that
// did not run them.
func notRunElsewhere(runs []kernelRun) []testResult {
	var missed []testResult
	for _, run := range runs {
		for _, r := range run.results {
			if r.outcome != elsewhere {
				continue
			}
			for _, other := range runs {
				if !slices.Contains(strings.Split(r.kernels, ", "), other.series) || other.ran(r) {
					continue
				}
				failure := testResult{pkg: r.pkg, name: r.name, outcome: failed, reason: "left to kernel " + other.series + ", which did not run it"}
				if !slices.Contains(missed, failure) {
					missed = append(missed, failure)
				}
			}
		}
	}
	return missed
}

// ran reports whether a test, or the tests below it, ran on this kernel.
func (run kernelRun) ran(test testResult) bool {
	return slices.ContainsFunc(run.results, func(r testResult) bool {
		return r.pkg == test.pkg && (r.name == test.name || strings.HasPrefix(r.name, test.name+"/")) &&
			(r.outcome == passed || r.outcome == failed)
	})
}

// leftOut counts the tests that a kernel left to others, in words.
func leftOut(results []testResult) (lines []string) {
	counts := map[string]int{}
	for _, r := range results {
		if r.outcome == elsewhere {
			counts[r.kernels]++
		}
	}
	for kernels, n := range counts {
		lines = append(lines, fmt.Sprintf("%d tests run on %s only", n, kernels))
	}
	slices.Sort(lines)
	return lines
}

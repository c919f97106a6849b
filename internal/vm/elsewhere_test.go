package vm

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const leftEvents = `{"Action":"run","Test":"TestGen"}
{"Action":"output","Test":"TestGen","Output":"    gen_test.go:9: runs on 7.3 only: nothing of it depends on the kernel\n"}
{"Action":"output","Test":"TestGen","Output":"--- SKIP: TestGen (0.00s)\n"}
{"Action":"skip","Test":"TestGen"}
{"Action":"run","Test":"TestGobpf"}
{"Action":"output","Test":"TestGobpf","Output":"    gobpf_test.go:9: runs on 6.1, 7.3 only: the oldest and the newest\n"}
{"Action":"skip","Test":"TestGobpf"}
{"Action":"run","Test":"TestOther"}
{"Action":"output","Test":"TestOther","Output":"    other_test.go:9: no such cipher\n"}
{"Action":"skip","Test":"TestOther"}
{"Action":"output","Output":"PASS\n"}
`

func TestLeftToOtherKernels(t *testing.T) {
	results := readLog(t, leftEvents).results(Status{})
	if got := count(results).String(); got != "0 passed, 0 failed, 1 skipped, 2 run elsewhere" {
		t.Errorf("%s: %v", got, results)
	}
	want := []string{"1 tests run on 6.1, 7.3 only", "1 tests run on 7.3 only"}
	if got := leftOut(results); !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNotRunElsewhere: a test that is left to a kernel of this run, or a subtest of it, must have
// run there.
func TestNotRunElsewhere(t *testing.T) {
	left := testResult{pkg: "p", name: "TestGen", outcome: elsewhere, kernels: "7.2, 7.3"}
	result := func(pkg, name string, o outcome) testResult { return testResult{pkg: pkg, name: name, outcome: o} }
	for name, c := range map[string]struct {
		newest []testResult
		want   string // the failure
	}{
		"ran":               {[]testResult{result("p", "TestGen", passed)}, ""},
		"failed":            {[]testResult{result("p", "TestGen", failed)}, ""},
		"ran below":         {[]testResult{result("p", "TestGen/x", passed), result("p", "TestGen/y", skipped)}, ""},
		"is missing":        {nil, "p TestGen: left to kernel 7.3, which did not run it"},
		"skipped":           {[]testResult{result("p", "TestGen", skipped)}, "p TestGen: left to kernel 7.3, which did not run it"},
		"left back":         {[]testResult{left}, "p TestGen: left to kernel 7.3, which did not run it"},
		"in another":        {[]testResult{result("q", "TestGen", passed)}, "p TestGen: left to kernel 7.3, which did not run it"},
		"of a similar name": {[]testResult{result("p", "TestGenerator", passed)}, "p TestGen: left to kernel 7.3, which did not run it"},
	} {
		runs := []kernelRun{{series: "6.1", results: []testResult{left}}, {series: "6.12", results: []testResult{left}}, {series: "7.3", results: c.newest}}
		var got string
		for _, r := range notRunElsewhere(runs) {
			got += r.String()
			if r.outcome != failed {
				t.Errorf("%s: %v counts as %s", name, r, r.outcome)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// e2eSources is the text of the tests in e2e.
func e2eSources(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in e2e: %v", err)
	}
	var all strings.Builder
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

// TestDocumented: docs/testing.md lists exactly the tests that run on one kernel only.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## On one kernel\n")
	var listed []string
	for l := range strings.Lines(section) {
		if cells := strings.Split(l, "|"); len(cells) > 2 {
			listed = append(listed, regexp.MustCompile(`\bTest\w+`).FindAllString(cells[1], -1)...)
		}
	}
	var marked []string
	for _, m := range regexp.MustCompile(`func (Test\w+)\(t \*testing\.T\) \{\n\tonOneKernel\(t\)`).FindAllStringSubmatch(e2eSources(t), -1) {
		marked = append(marked, m[1])
	}
	slices.Sort(listed)
	slices.Sort(marked)
	if len(marked) == 0 || !slices.Equal(listed, marked) {
		t.Errorf("docs/testing.md lists\n%q, on one kernel run\n%q", listed, marked)
	}
}

// TestCheckTestsExist: the tests that a checked kernel runs are tests of checkPackage.
func TestCheckTestsExist(t *testing.T) {
	name := strings.Trim(checkTests, "^$")
	if !strings.Contains(e2eSources(t), "\nfunc "+name+"(t *testing.T) {") {
		t.Errorf("e2e has no test %s", name)
	}
}

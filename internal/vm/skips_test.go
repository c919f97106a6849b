package vm

import (
	"slices"
	"testing"
)

func TestSkips(t *testing.T) {
	skip := func(pkg, name, reason string) testResult {
		return testResult{pkg: pkg, name: name, outcome: skipped, reason: reason}
	}
	results := []testResult{
		skip("./a", "TestOne", "a_test.go:3: no module"),
		{pkg: "./a", name: "TestRuns", outcome: passed, reason: "a_test.go:4: no module"},
		skip("./a", "TestTwo", "a_test.go:5: no module"),
		skip("./a", "TestOther", "a_test.go:6: no read_sock"),
		skip("./a", "TestThree", "b_test.go:7: no module"),
		skip("./b", "TestFour", "a_test.go:8: no module"),
		skip("./a", "TestFive", "a_test.go:9: no module"),
	}
	want := []string{"./a 4 tests: no module", "./a TestOther: a_test.go:6: no read_sock", "./b TestFour: a_test.go:8: no module"}
	if got := skips(results); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := skips(results[:3]), []string{"./a TestOne: a_test.go:3: no module", "./a TestTwo: a_test.go:5: no module"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

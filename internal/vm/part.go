package vm

import "slices"

// partTests are the tests of a package that run on a kernel that kernels.txt says to test in part.
// Of other packages all tests run. docs/testing.md explains the choice.
var partTests = map[string]string{
	checkPackage:        "^(TestCardPaths|TestDTLS|TestDashboard|TestDoctorSelf|TestList|TestPaths|TestScenes)$",
	"./internal/afktls": "^(TestPair|TestWire|TestSegments|TestSeveralRecords|TestMany|TestStress|TestReplay|TestStream|TestHooks|TestUnload)",
	"./internal/tlsnic": "^(TestSealsAsGo|TestOpensAsGo|TestLargeSends|TestReorder|TestManyAtOnce)$",
	"./pkg/loader":      "^(TestBeginOfConcurrentSends|TestConnectionsEndOnce|TestKernelMatchesAsReference|TestPageVariablesAreConstants|TestSlowLoads)$",
}

// inPart reports whether a kernel runs partTests: it does unless other tests were requested.
func (o *testOptions) inPart(series string) bool {
	s, err := findSeries(series)
	return err == nil && s.role() == partly && o.run == ""
}

// programsPackage runs programs that are unpacked for this machine's processor.
const programsPackage = "./e2e/programs"

// partOf are the packages of such a kernel from the last to the first, each whole.
func partOf(binaries []testBinary) (all []testBinary) {
	for _, b := range slices.Backward(binaries) {
		if b.pkg == programsPackage && b.arch != arches[0] {
			continue
		}
		b.run = partTests[b.pkg]
		all = append(all, b)
	}
	return all
}

// told are the kernels whose names the tests on this one get: those that run all tests. A kernel
// tested in part gets only its own name, because the tests chosen for it run nowhere else.
func (o *testOptions) told(series string) []string {
	if o.inPart(series) {
		return []string{series}
	}
	return o.testing()
}

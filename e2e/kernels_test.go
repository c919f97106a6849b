package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// onOneKernel leaves a test to the oldest kernel of this run, because what it
// shows does not depend on the kernel. docs/testing.md has the rule.
func onOneKernel(t *testing.T) {
	t.Helper()
	onlyOn(t, kernelsOfRun(t)[0])
}

// onEnds leaves a test to the oldest and the newest kernel: it looks at what the programs do with records that others
// have shown to be right on each kernel.
func onEnds(t *testing.T) {
	t.Helper()
	kernels := kernelsOfRun(t)
	onlyOn(t, kernels[0], kernels[len(kernels)-1])
}

func kernelsOfRun(t *testing.T) []string {
	t.Helper()
	kernels := strings.Fields(os.Getenv("KTLSTOP_KERNELS"))
	if len(kernels) == 0 {
		t.Fatal("KTLSTOP_KERNELS does not name the kernels of this run: vmtest and vmrun set it")
	}
	return kernels
}

// onlyOn leaves a test to some kernels. vmtest reads the words, and fails where
// one of them took part and did not run the test (internal/vm/elsewhere.go).
func onlyOn(t *testing.T, kernels ...string) {
	t.Helper()
	if !slices.Contains(kernels, os.Getenv("KTLSTOP_KERNEL")) {
		t.Skipf("runs on %s only", strings.Join(kernels, ", "))
	}
}

// Package guesttest is what tests in guests of several kernels have in common: on which of them they run.
package guesttest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Kernel is that of this guest, such as 6.1.
func Kernel() string { return os.Getenv("KTLSTOP_KERNEL") }

// Kernels are those of this run, the oldest first.
func Kernels(t testing.TB) []string {
	t.Helper()
	kernels := strings.Fields(os.Getenv("KTLSTOP_KERNELS"))
	if len(kernels) == 0 {
		t.Fatal("KTLSTOP_KERNELS does not name the kernels of this run: vmtest and vmrun set it")
	}
	return kernels
}

// OnOneKernel leaves a test to the oldest kernel of this run, because what it shows does not depend on the kernel.
func OnOneKernel(t testing.TB) {
	t.Helper()
	OnlyOn(t, Kernels(t)[0])
}

// OnEnds leaves a test to the oldest and the newest kernel: it looks at what the programs do with records that others
// have shown to be right on each kernel.
func OnEnds(t testing.TB) {
	t.Helper()
	kernels := Kernels(t)
	OnlyOn(t, kernels[0], kernels[len(kernels)-1])
}

// BeforeRelease reports whether this is a run before a release (make test-all), in which less is left out.
func BeforeRelease() bool { return os.Getenv("KTLSTOP_ALL") != "" }

// OnEndsWithEachChange is OnEnds, but before a release the test runs on every kernel: what it shows might depend on it.
func OnEndsWithEachChange(t testing.TB) {
	t.Helper()
	if !BeforeRelease() {
		OnEnds(t)
	}
}

// OnNewestWithEachChange leaves a test to the newest kernel of this run, because older ones cannot do what it wants;
// before a release it runs on each that can.
func OnNewestWithEachChange(t testing.TB) {
	t.Helper()
	if !BeforeRelease() {
		kernels := Kernels(t)
		OnlyOn(t, kernels[len(kernels)-1])
	}
}

// OnOneWithEachChange is OnOneKernel, but before a release the test runs on the oldest and the newest.
func OnOneWithEachChange(t testing.TB) {
	t.Helper()
	if BeforeRelease() {
		OnEnds(t)
		return
	}
	OnOneKernel(t)
}

// OnChecked leaves a test to the kernels that run nothing else, in this run or before a release: they are not among
// Kernels.
func OnChecked(t testing.TB) {
	t.Helper()
	checked := strings.Fields(os.Getenv("KTLSTOP_CHECKED"))
	if len(checked) == 0 {
		t.Fatal("KTLSTOP_CHECKED does not name the kernels that are only checked: vmtest and vmrun set it")
	}
	OnlyOn(t, checked...)
}

// OnlyOn leaves a test to some kernels. vmtest reads the words, and fails where one of them took part and did not run
// the test (internal/vm/elsewhere.go).
func OnlyOn(t testing.TB, kernels ...string) {
	t.Helper()
	if !slices.Contains(kernels, Kernel()) {
		t.Skipf("runs on %s only", strings.Join(kernels, ", "))
	}
}

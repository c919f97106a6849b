package e2e

import (
	"testing"

	"github.com/ktlstop/ktlstop/internal/guesttest"
)

// onOneKernel leaves a test to the oldest kernel of this run. docs/testing.md has the rule for each of these.
func onOneKernel(t *testing.T) {
	t.Helper()
	guesttest.OnOneKernel(t)
}

// onEnds leaves a test to the oldest and the newest.
func onEnds(t *testing.T) {
	t.Helper()
	guesttest.OnEnds(t)
}

// onOneWithEachChange leaves a test to the oldest, and before a release to the oldest and the newest.
func onOneWithEachChange(t *testing.T) {
	t.Helper()
	guesttest.OnOneWithEachChange(t)
}

// onlyOn leaves a test to some kernels.
func onlyOn(t *testing.T, kernels ...string) {
	t.Helper()
	guesttest.OnlyOn(t, kernels...)
}

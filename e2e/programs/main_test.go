package programs

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/guesttest"
)

// ktlstop is what make build made.
const ktlstop = "../../bin/ktlstop"

// patience limits every wait: an emulated kernel with a busy host is slow.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	if inGuest() {
		if out, err := exec.Command("modprobe", "tls").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "modprobe tls: %v: %s\n", err, out)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func inGuest() bool { return os.Getenv("KTLSTOP_GUEST") != "" }

// stable is the kernel of the Debian release that the programs come from.
const stable = "6.12"

// onItsKernel leaves a test to the kernel of the programs' own Debian, or to the oldest
// of a run without that one. KTLSTOP_PROGRAMS=all, of make test-programs, runs it on
// each.
func onItsKernel(t *testing.T) {
	t.Helper()
	if !inGuest() {
		t.Skip("it loads BPF programs: run it in a guest with make test-programs")
	}
	if runtime.GOARCH != "amd64" {
		t.Skip("the programs are unpacked for amd64 (make roots)")
	}
	if onEach() {
		return
	}
	if !slices.Contains(guesttest.Kernels(t), stable) {
		guesttest.OnOneKernel(t)
		return
	}
	guesttest.OnlyOn(t, stable)
}

// onEach reports whether this is make test-programs.
func onEach() bool { return os.Getenv("KTLSTOP_PROGRAMS") == "all" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits until a condition holds.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

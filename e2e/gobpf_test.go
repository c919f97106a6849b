package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// gobpfProgram is what make build-gobpf made.
const gobpfProgram = "../bin/ktlstop-gobpf"

// withoutTypes runs a command where the kernel shows no type information.
var withoutTypes = []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs none /sys/kernel/btf && exec "$0" "$@"`}

// What the gobpf backend cannot do, as it says itself.
var gobpfLacks = []string{"tls_encrypt_done:", "tls_decrypt_done:", "inventory:", "socket cookies:"}

// TestGobpfPaths goes the same ways as TestPaths, with kprobes and without type
// information: auto chooses the backend.
func TestGobpfPaths(t *testing.T) {
	if kernel := os.Getenv("KTLSTOP_KERNEL"); kernel != "6.1" && kernel != "7.3" {
		t.Skip("the gobpf backend is tested on the oldest and the newest kernel: KERNELS=\"6.1 7.3\"")
	}
	tr := startBy(t, append(slices.Clone(withoutTypes), gobpfProgram), "trace", "-o", "json", "-s", "16384")
	paths := slices.DeleteFunc(slices.Concat(sendPaths, receivePaths), func(p path) bool {
		return p.name == "readv over many small buffers" // more than the programs can copy: LIMITATIONS.md
	})
	playPaths(t, tr, paths, func(got trace, t *testing.T) {
		got.noLossesBut(t, func(missing string) bool {
			return slices.ContainsFunc(gobpfLacks, func(known string) bool { return strings.HasPrefix(missing, known) })
		})
	})
	leavesNoProbes(t)
}

// leavesNoProbes: gobpf registers its probes by name, and they must go.
func leavesNoProbes(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile("/sys/kernel/debug/tracing/kprobe_events")
	must(t, err)
	if len(b) > 0 {
		t.Errorf("probes are left:\n%s", b)
	}
}

package vm

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// console is a kernel's console: lockup-loop.txt of a guest with a BPF program that loops for long.
func console(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFailureShowsLockup: after a timeout, the error shows where the guest hung, however much it
// printed since.
func TestFailureShowsLockup(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	<-ctx.Done()
	g := &Guest{console: &tail{}, kernel: &Kernel{}, ctx: ctx}
	g.console.Write([]byte(console(t, "lockup-loop.txt") + strings.Repeat("rcu: INFO\n", consoleLines)))
	text := g.failure("run", io.EOF).Error()
	_, stack, _ := strings.Cut(text, "--- its last soft lockup ---\n")
	stack, _, _ = strings.Cut(stack, "--- end of its console")
	if !strings.HasPrefix(stack, "soft lockup - CPU#0 stuck for 25s! [lockup:163]\n") || !strings.HasSuffix(stack, stackEnd+"\n") ||
		!strings.Contains(stack, "bpf_prog_test_run_skb") || strings.Contains(stack, "rcu: INFO") {
		t.Error(text)
	}
}

package vm

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// console is what a kernel printed: lockup-breakpoint.txt of a guest with two processors, both of which hung at the same
// breakpoint after bpf_stats had changed a hundred times; lockup-loop.txt of one with a BPF program that loops for long.
func console(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHangsInBreakpoint(t *testing.T) {
	hang, loop := console(t, "lockup-breakpoint.txt"), console(t, "lockup-loop.txt")
	reports := strings.SplitAfter(hang, "watchdog: BUG: ")
	handler := strings.Replace(loop, "bpf_test_run+0x21e/0x310", "? exc_int3+0x10/0x90", 1)
	again := strings.Repeat(loop, 3)
	for name, c := range map[string]struct {
		console string
		want    bool
	}{
		"nothing":               {"", false},
		"hang":                  {hang, true},
		"with carriage returns": {strings.ReplaceAll(hang, "\n", "\r\n"), true},
		"not yet three times":   {strings.Join(reports[:len(reports)-1], ""), false},
		"another register":      {strings.Replace(hang, "R13: 00002ac880a527bf", "R13: 00002ac880a527c0", 1), false},
		"no changed code":       {strings.ReplaceAll(hang, "<66> 90", "<f3> 90"), false},
		"another task each":     {strings.Replace(hang, "[int3:166]", "[int3:165]", 1), false},
		"a loop":                {loop, false},
		"a loop, again":         {again, false},
		"a handler":             {handler, true},
		"a handler, once":       {handler[:strings.LastIndex(handler, "watchdog: BUG: ")], false},
	} {
		if got := hangsInBreakpoint(c.console); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestHangEndsGuest: the guest is ended as soon as its console shows the hang, whatever pieces it comes in, and such a
// death lets another guest follow; a loop is the tested program's.
func TestHangEndsGuest(t *testing.T) {
	for name, want := range map[string]bool{"lockup-breakpoint.txt": true, "lockup-loop.txt": false} {
		ended := false
		g := &Guest{console: &tail{}, kernel: &Kernel{}, ctx: t.Context()}
		g.console.onHang(func() { ended = true })
		for rest := console(t, name); rest != ""; rest = rest[min(len(rest), 100):] {
			g.console.Write([]byte(rest[:min(len(rest), 100)]))
		}
		err := g.failure("run", io.EOF)
		s := &session{run: &kernelRun{}, log: io.Discard}
		if again := s.mayDie(err); ended != want || again != want || errors.Is(err, errBreakpointHang) != want {
			t.Errorf("%s: ended %v, another guest %v, %v", name, ended, again, err)
		}
		if told := s.run.died() != ""; told != want || s.run.hangs != s.run.deaths {
			t.Errorf("%s: the kernel's line ends with %q", name, s.run.died())
		}
	}
}

// TestFailureShowsLockup: whoever waited in vain is shown what the guest hung in, however much it printed since.
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

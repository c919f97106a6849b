package tui

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// screenBuffer collects what the program draws.
type screenBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screenBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screenBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// restored reports whether the alternate screen was left and the cursor is back.
func restored(out string) bool {
	enter, leave := strings.LastIndex(out, "\x1b[?1049h"), strings.LastIndex(out, "\x1b[?1049l")
	return enter >= 0 && leave > enter && strings.LastIndex(out, "\x1b[?25h") > strings.LastIndex(out, "\x1b[?25l")
}

func TestRunQuits(t *testing.T) {
	var out screenBuffer
	asked := make(chan struct{})
	var once sync.Once
	cfg := Config{Source: func() *flow.Snapshot {
		once.Do(func() { close(asked) })
		return busy(3, 1)
	}}
	in, keyboard := io.Pipe()
	go func() {
		<-asked
		_, _ = keyboard.Write([]byte("q"))
	}()
	if err := Run(t.Context(), cfg, in, &out); err != nil {
		t.Fatal(err)
	}
	if !restored(out.String()) {
		t.Errorf("the terminal is not restored: %q", out.String())
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	var out screenBuffer
	ctx, cancel := context.WithCancel(t.Context())
	cfg := Config{Source: func() *flow.Snapshot {
		cancel()
		return &flow.Snapshot{}
	}}
	in, _ := io.Pipe()
	if err := Run(ctx, cfg, in, &out); err != nil {
		t.Fatal(err)
	}
	if !restored(out.String()) {
		t.Errorf("the terminal is not restored: %q", out.String())
	}
}

func TestRunEndsWithSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		var out screenBuffer
		var once sync.Once
		cfg := Config{Source: func() *flow.Snapshot {
			once.Do(func() { _ = syscall.Kill(os.Getpid(), sig) })
			return &flow.Snapshot{}
		}}
		in, _ := io.Pipe()
		if err := Run(t.Context(), cfg, in, &out); err != nil {
			t.Fatal(err)
		}
		if !restored(out.String()) {
			t.Errorf("%v: the terminal is not restored: %q", sig, out.String())
		}
	}
}

func TestRunRestoresAfterAPanic(t *testing.T) {
	const child = "KTLSTOP_TEST_PANIC"
	if os.Getenv(child) == "" {
		restoresInAChild(t, child)
		return
	}
	var out screenBuffer
	in, _ := io.Pipe()
	cfg := Config{Source: func() *flow.Snapshot { panic("source") }}
	if err := Run(t.Context(), cfg, in, &out); err == nil {
		t.Error("a panic is no error")
	}
	if !restored(out.String()) {
		t.Errorf("the terminal is not restored: %q", out.String())
	}
}

// restoresInAChild runs the test in a process of its own: the trace of the panic, which
// bubbletea prints, would look like the cause where another test fails.
func restoresInAChild(t *testing.T, variable string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("PASS")) || bytes.Contains(out, []byte("no tests to run")) {
		t.Errorf("%v:\n%s", err, out)
	}
}

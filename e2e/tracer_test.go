package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience limits every wait: an emulated kernel with a busy host is slow. To detach alone, Linux 6.1
// has taken more than 90 seconds while both processors were busy: for each hook it waits until every
// task has been off its processor (RCU tasks).
const patience = 5 * time.Minute

// tracer is a running ktlstop that traces.
type tracer struct {
	t      *testing.T
	cmd    *exec.Cmd
	file   string
	stderr said
	done   chan error
	ended  func() // called when the tracer has ended, if not nil
}

// startTracer runs ktlstop trace -o json and returns when its hooks are attached.
func startTracer(t *testing.T, args ...string) *tracer {
	t.Helper()
	return startCommand(t, append([]string{"trace", "-o", "json"}, args...)...)
}

// startTracers runs several and returns when all hooks are attached. They start one
// after the other: together they could take longer than patience.
func startTracers(t *testing.T, args [][]string) []*tracer {
	t.Helper()
	commands := make([][]string, len(args))
	for i, a := range args {
		commands[i] = append([]string{"trace", "-o", "json"}, a...)
	}
	return startCommands(t, commands)
}

// startCommand runs a command of ktlstop with output to a file until its hooks are
// attached.
func startCommand(t *testing.T, args ...string) *tracer {
	t.Helper()
	return startBy(t, []string{program}, args...)
}

// startBy is startCommand for a ktlstop that is started by another command.
func startBy(t *testing.T, ktlstop []string, args ...string) *tracer {
	t.Helper()
	return startAll(t, [][]string{slices.Concat(ktlstop, args)})[0]
}

func startCommands(t *testing.T, commands [][]string) []*tracer {
	t.Helper()
	lines := make([][]string, len(commands))
	for i, args := range commands {
		lines[i] = append([]string{program}, args...)
	}
	return startAll(t, lines)
}

func startAll(t *testing.T, lines [][]string) (tracers []*tracer) {
	t.Helper()
	for _, words := range lines {
		file := filepath.Join(t.TempDir(), "events.jsonl")
		tr := &tracer{t: t, file: file, cmd: exec.Command(words[0], append(words[1:], "-w", file)...)}
		tracers = append(tracers, tr.start())
	}
	return tracers
}

// startTracerInto passes the tracer's lines on as they come.
func startTracerInto(t *testing.T, take func(io.Reader), args ...string) *tracer {
	t.Helper()
	tr := &tracer{t: t, cmd: exec.Command(program, append([]string{"trace", "-o", "json"}, args...)...)}
	r, w := io.Pipe()
	tr.cmd.Stdout = w
	tr.ended = func() { w.Close() }
	go take(r)
	return tr.start()
}

func (tr *tracer) start() *tracer {
	tr.t.Helper()
	t := tr.t
	tr.done = make(chan error, 1)
	ready := filepath.Join(t.TempDir(), "ready")
	tr.cmd.Args = append(tr.cmd.Args, "--ready-file", ready)
	tr.cmd.Stderr = &tr.stderr
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := tr.cmd.Wait()
		if tr.ended != nil {
			tr.ended()
		}
		tr.done <- err
	}()
	t.Cleanup(tr.kill)
	tr.waitFor(func() bool { _, err := os.Stat(ready); return err == nil })
	return tr
}

// said is the output of a running program so far.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (tr *tracer) waitFor(ok func() bool) {
	tr.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case err := <-tr.done:
			tr.done <- err
			tr.t.Fatalf("ktlstop ended: %v: %s", err, &tr.stderr)
		case <-deadline.C:
			tr.t.Fatalf("not within %v: %s", patience, &tr.stderr)
		case <-tick.C:
		}
	}
}

// shows reports whether the tracer has written a record that p's receiver received.
func (tr *tracer) shows(p *pair) bool {
	b, err := os.ReadFile(tr.file)
	must(tr.t, err)
	return bytes.Contains(b, fmt.Appendf(nil, `"lport":%d,"raddr":"127.0.0.1","rport":%d`, p.rport, p.lport))
}

// lines are its complete lines so far.
func (tr *tracer) lines() trace {
	tr.t.Helper()
	b, err := os.ReadFile(tr.file)
	must(tr.t, err)
	return parse(tr.t, b[:bytes.LastIndexByte(b, '\n')+1])
}

func (tr *tracer) kill() {
	if tr.cmd.ProcessState == nil {
		_ = tr.cmd.Process.Kill() // it may have ended by itself
	}
}

// stop ends the tracer like Ctrl-C and returns its trace.
func (tr *tracer) stop() trace {
	tr.t.Helper()
	if err := tr.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tr.t.Fatal(err)
	}
	tr.wait()
	return tr.read()
}

func (tr *tracer) wait() {
	tr.t.Helper()
	select {
	case err := <-tr.done:
		if err != nil {
			tr.t.Fatalf("ktlstop: %v: %s", err, &tr.stderr)
		}
	case <-time.After(patience):
		_ = tr.cmd.Process.Signal(syscall.SIGQUIT) // for the stacks
		select {
		case <-tr.done:
		case <-time.After(patience):
		}
		tr.t.Fatalf("ktlstop did not end: %s", &tr.stderr)
	}
}

func (tr *tracer) read() trace {
	tr.t.Helper()
	b, err := os.ReadFile(tr.file)
	if err != nil {
		tr.t.Fatal(err)
	}
	return parse(tr.t, b)
}

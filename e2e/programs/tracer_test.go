package programs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// A tracer is a ktlstop that writes to a file.
type tracer struct {
	cmd    *exec.Cmd
	file   string
	stderr said
	done   chan error
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

// startTracer runs a command of ktlstop with output to a file and returns when its hooks are
// attached.
func startTracer(t *testing.T, args ...string) *tracer {
	t.Helper()
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	tr := &tracer{file: filepath.Join(dir, "events.jsonl"), done: make(chan error, 1)}
	tr.cmd = exec.Command(ktlstop, append(args, "-w", tr.file, "--ready-file", ready)...)
	tr.cmd.Stderr = &tr.stderr
	must(t, tr.cmd.Start())
	t.Cleanup(func() {
		if tr.cmd.ProcessState == nil {
			_ = tr.cmd.Process.Kill() // the test has failed before
		}
	})
	go func() { tr.done <- tr.cmd.Wait() }()
	until(t, "ktlstop is ready", func() bool {
		select {
		case err := <-tr.done:
			t.Fatalf("ktlstop ended: %v: %s", err, &tr.stderr)
		default:
		}
		_, err := os.Stat(ready)
		return err == nil
	})
	return tr
}

// stop ends the tracer like Ctrl-C and returns its trace.
func (tr *tracer) stop(t *testing.T) *trace {
	t.Helper()
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	select {
	case err := <-tr.done:
		if err != nil {
			t.Fatalf("ktlstop: %v: %s", err, &tr.stderr)
		}
	case <-time.After(patience):
		t.Fatalf("ktlstop did not end: %s", &tr.stderr)
	}
	return readTrace(t, tr.file)
}

// A trace is a finished run, as its file shows it.
type trace struct {
	records []*event.Record
	sockets []*event.Socket
	errors  []*event.Error
	lost    []*event.Lost
	summary *event.Summary
	http    []exchange
	calls   []call
}

// exchange is a request and its response, by inspect.
type exchange struct {
	Type     string   `json:"type"`
	Dir      string   `json:"dir"`
	Comm     string   `json:"comm"`
	Version  string   `json:"version"`
	End      string   `json:"end"`
	Request  *message `json:"request"`
	Response *message `json:"response"`
	Sock     struct {
		LPort int `json:"lport"`
		RPort int `json:"rport"`
	} `json:"sock"`
}

type message struct {
	Method  string `json:"method"`
	Path    string `json:"path"`
	Status  int    `json:"status"`
	HeadLen int    `json:"head_len"`
	BodyLen int    `json:"body_len"`
}

// readTrace reads events with ktlstop's own reader, and those that only inspect writes.
func readTrace(t *testing.T, name string) *trace {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	got := &trace{}
	r := source.NewReader(bytes.NewReader(b))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		got.add(ev)
	}
	if got.summary == nil {
		t.Fatal("the trace has no summary")
	}
	got.readHTTP(t, b)
	got.readCalls(t, b)
	return got
}

func (tr *trace) add(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Record:
		tr.records = append(tr.records, ev)
	case *event.Socket:
		tr.sockets = append(tr.sockets, ev)
	case *event.Error:
		tr.errors = append(tr.errors, ev)
	case *event.Lost:
		tr.lost = append(tr.lost, ev)
	case *event.Summary:
		tr.summary = ev
	}
}

func (tr *trace) readHTTP(t *testing.T, b []byte) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !bytes.Contains(lines.Bytes(), []byte(`"type":"http"`)) {
			continue
		}
		var e exchange
		must(t, json.Unmarshal(lines.Bytes(), &e))
		if e.Type == "http" {
			tr.http = append(tr.http, e)
		}
	}
	must(t, lines.Err())
}

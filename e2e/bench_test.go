package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// TestBench: a trace shows that each way of ktlstop bench does what its name says, and that the
// figures match the data sent. Perf events are left out: 7.3 crashed when the tracepoint of all
// system calls was switched on, under emulation with two processors. docs/bench.json has their
// counts, which a test of benchdoc checks.
func TestBench(t *testing.T) {
	onOneKernel(t)
	kmodtest.Load(t, "af_ktls")
	svg := filepath.Join(t.TempDir(), "plot.svg")
	tr := startTracer(t)
	ways := bench(t, "--ways", "streams", "--svg", svg)
	got := tr.stop()
	got.noLosses(t)
	if len(ways) != 14 {
		t.Fatalf("%d ways", len(ways))
	}
	// Each with kTLS and with AF_KTLS, which sets up kTLS. Of the two proxies with kTLS, both ends
	// and one proxy write, and the other proxy splices.
	for op, times := range map[string]int{"send": 2 + 3, "sendfile": 2, "splice": 2 + 1} {
		sent := 0
		for _, l := range got.ofType("record").data().filter(func(l *line) bool { return l.Dir == "tx" && l.Op == op }) {
			sent += l.Len
		}
		if want := times * (benchStreams + 1) * benchSize; sent != want { // one is not counted
			t.Errorf("%d bytes went by %s, want %d", sent, op, want)
		}
	}
	plot, err := os.ReadFile(svg)
	must(t, err)
	if n := bytes.Count(plot, []byte("<polyline")); n != 2*len(ways) {
		t.Errorf("%d lines in the plot", n)
	}
	if ways := bench(t, "--ways", "datagrams"); len(ways) != 5 {
		t.Errorf("%d ways for datagrams", len(ways))
	}
}

// The calls by which each way of bench sends.
const benchSize, benchStreams = 100_000, 3

// bench runs the measurement, checks its output for each way, and returns their names.
func bench(t *testing.T, args ...string) (ways []string) {
	t.Helper()
	args = append([]string{"bench", "-o", "json", "--sizes", "100000", "--max-bytes", "300000", "--duration", "1m", "--perf=false"}, args...)
	stdout, stderr, status := ktlstop(t, args...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	var r struct {
		Cells []struct {
			Way      string  `json:"way"`
			Streams  int     `json:"streams"`
			Bytes    int     `json:"bytes"`
			Skipped  string  `json:"skipped"`
			Wall     int     `json:"wall_ns"`
			Syscalls *uint64 `json:"syscalls"`
		} `json:"cells"`
		Absent map[string]string `json:"absent"`
	}
	must(t, json.Unmarshal([]byte(stdout), &r))
	for _, c := range r.Cells {
		ways = append(ways, c.Way)
		if c.Skipped != "" || c.Streams != benchStreams || c.Bytes != benchStreams*benchSize || c.Wall <= 0 {
			t.Errorf("%+v", c)
		}
		if c.Syscalls != nil || r.Absent["syscalls"] == "" {
			t.Errorf("%s: system calls %v (%v)", c.Way, c.Syscalls, r.Absent)
		}
	}
	return ways
}

func TestBenchInText(t *testing.T) {
	onOneKernel(t)
	stdout, stderr, status := ktlstop(t, "bench", "--sizes", "1KiB", "--ways", "ktls sendfile", "--max-bytes", "4KiB", "--tls", "1.2", "--perf=false")
	if status != 0 || !strings.Contains(stdout, "1KiB  ktls sendfile") || !strings.Contains(stdout, "TLS 1.2, ") || !strings.Contains(stdout, "syscalls: not counted\n") {
		t.Errorf("status %d: %s%s", status, stdout, stderr)
	}
}

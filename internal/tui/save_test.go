package tui

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
)

func TestSaveJSON(t *testing.T) {
	dir := t.TempDir()
	s := busy(3, 1)
	save := SaveJSON(dir)
	first, err := save(s)
	if err != nil {
		t.Fatal(err)
	}
	second, err := save(s)
	if err != nil || first == second {
		t.Fatalf("saved to %s and %s: %v", first, second, err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	data, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil || v["type"] != "snapshot" {
		t.Errorf("%v in %.100s", err, data)
	}
	if _, err := SaveJSON(filepath.Join(dir, "absent"))(s); err == nil {
		t.Error("a missing directory is no error")
	}
}

func TestPlain(t *testing.T) {
	out := Plain(Config{}, busy(3, 1), 80, 10)
	if strings.Contains(out, "\x1b") || !strings.Contains(out, "haproxy") || strings.Count(out, "\n") != 9 {
		t.Errorf("got:\n%s", out)
	}
}

func TestPrintEndsWithDone(t *testing.T) {
	done := make(chan struct{})
	shown := 0
	show := func(string) error {
		shown++
		close(done)
		return nil
	}
	cfg := Config{Source: func() *flow.Snapshot { return &flow.Snapshot{} }, Period: 1 << 50}
	if err := Print(done, cfg, show, 80, 10); err != nil || shown != 1 {
		t.Errorf("shown %d times: %v", shown, err)
	}
}

func TestPrintStopsAtAnError(t *testing.T) {
	cfg := Config{Source: func() *flow.Snapshot { return &flow.Snapshot{} }}
	if err := Print(nil, cfg, func(string) error { return os.ErrClosed }, 80, 10); err != os.ErrClosed {
		t.Errorf("got %v", err)
	}
}

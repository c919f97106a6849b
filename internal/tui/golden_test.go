package tui

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/ktlstop/ktlstop/internal/flow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name + ".txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	if !bytes.Equal([]byte(got+"\n"), want) {
		t.Errorf("%s differs (run with -update to accept):\n%s", path, got)
	}
}

func TestGoldenViews(t *testing.T) {
	few := busy(12, 5)
	sizes := []struct{ w, h int }{{20, 5}, {80, 24}, {120, 40}, {220, 50}}
	for _, c := range []struct {
		name string
		keys []string
		full bool // at all sizes, and not at 80x24 and 120x40 alone
	}{
		{name: "connections", full: true},
		{name: "processes", keys: []string{"2"}},
		{name: "cgroups", keys: []string{"2", "c"}},
		{name: "units", keys: []string{"2", "c", "c"}},
		{name: "pods", keys: []string{"2", "c", "c", "c"}},
		{name: "pod", keys: []string{"2", "c", "c", "c", "enter"}},
		{name: "records", keys: []string{"3"}, full: true},
		{name: "events", keys: []string{"4"}, full: true},
		{name: "run", keys: []string{"5"}},
		{name: "detail", keys: []string{"/", "comm==日本語プロ", "enter", "enter"}, full: true},
		{name: "plaintext", keys: []string{"/", "comm==日本語プロ", "enter", "enter", "x"}},
		{name: "help", keys: []string{"?"}},
		{name: "sort", keys: []string{"s"}},
		{name: "filter", keys: []string{"/", "nginx"}},
		{name: "nothing", keys: []string{"/", "nosuch", "enter"}},
		{name: "badfilter", keys: []string{"/", "foo==1"}},
	} {
		for _, size := range sizes {
			if !c.full && (size.w == 20 || size.w == 220) {
				continue
			}
			m := screen(Config{}, few, size.w, size.h)
			m = send(m, press(c.keys...)...)
			checkFrame(t, m)
			golden(t, c.name+"-"+sizeName(m), m.View())
		}
	}
}

// TestGoldenDatagrams: what the screen says of DTLS, its epochs and what was dropped.
func TestGoldenDatagrams(t *testing.T) {
	tr := newTraffic(2)
	tr.table.Select(3)
	tr.second()
	tr.datagrams(3)
	tr.now += sec
	s := tr.snapshot()
	for name, keys := range map[string][]string{
		"datagrams": nil, "datagrams-records": {"3"}, "datagrams-events": {"4"}, "datagrams-run": {"5"},
		"datagrams-detail": {"/", "proto==dtls", "enter", "enter", "x"},
	} {
		m := screen(Config{}, s, 80, 24)
		m = send(m, press(keys...)...)
		checkFrame(t, m)
		golden(t, name+"-"+sizeName(m), m.View())
	}
}

func sizeName(m Model) string { return size(m) }

func TestGoldenEmpty(t *testing.T) {
	cfg := Config{Waiting: []string{"The tls module is not loaded; ktlstop could not load it:", "  modprobe tls"}}
	for _, size := range []struct{ w, h int }{{80, 24}, {20, 5}} {
		m := screen(cfg, &flow.Snapshot{}, size.w, size.h)
		checkFrame(t, m)
		golden(t, "empty-"+sizeName(m), m.View())
	}
}

func TestGoldenASCII(t *testing.T) {
	m := screen(Config{ASCII: true}, busy(12, 5), 120, 40)
	m = send(m, press("/", "comm==日本語プロ", "enter", "enter")...)
	golden(t, "ascii-"+sizeName(m), m.View())
}

package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
	"github.com/ktlstop/ktlstop/internal/tui/picture"
)

var update = flag.Bool("update", false, "draw the pictures anew (make picture)")

// TestPictures: the README's pictures are what the dashboard shows of the
// recording beside them.
func TestPictures(t *testing.T) {
	for name, c := range map[string]struct {
		keys          []tea.KeyMsg
		width, height int
	}{
		"dashboard.svg":  {width: 132, height: 24},
		"connection.svg": {keys: []tea.KeyMsg{{Type: tea.KeyEnter}}, width: 132, height: 42},
	} {
		path := filepath.Join("../../docs/picture", name)
		got := picture.SVG(frameOf(t, c.keys, c.width, c.height), "ktlstop", c.width)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the dashboard shows now: make picture draws it anew", name)
		}
	}
}

// frameOf is the last picture of the recording, after some keys.
func frameOf(t *testing.T, keys []tea.KeyMsg, width, height int) string {
	t.Helper()
	r, file, err := source.Open("../../docs/picture/recording.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := session.NewRecording(r, "recording.jsonl", version, 0)
	if err := p.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	var m tea.Model = tui.New(tui.Config{Source: p.Snapshot, Select: p.Select})
	m, _ = m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	m, _ = m.Update(m.Init()())
	for _, k := range keys {
		var cmd tea.Cmd
		if m, cmd = m.Update(k); cmd != nil {
			m, _ = m.Update(cmd())
		}
	}
	return m.View()
}

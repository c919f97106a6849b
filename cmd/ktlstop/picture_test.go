package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/internal/tui"
	"github.com/ktlstop/ktlstop/internal/tui/picture"
)

var update = flag.Bool("update", false, "draw the pictures anew (make picture)")

// pictures is where the manual's pictures lie, beside what they show.
const pictures = "../../docs/picture"

// moment is when most pictures show a recording, in seconds from its begin: all
// connections are there, and none has closed for the recording's end.
const moment = 8

// shots are the pictures of the dashboard, after some keys.
var shots = map[string]struct {
	hosts         []string // recordings without their ending; more than one is a fleet
	keys          string
	width, height int
}{
	"dashboard.svg":  {hosts: []string{"recording"}, width: 132, height: 26},
	"processes.svg":  {hosts: []string{"recording"}, keys: "2", width: 132, height: 14},
	"records.svg":    {hosts: []string{"recording"}, keys: "3", width: 132, height: 24},
	"errors.svg":     {hosts: []string{"recording"}, keys: "4", width: 132, height: 30},
	"connection.svg": {hosts: []string{"recording"}, keys: "/comm==nginx\r\r", width: 132, height: 42},
	"help.svg":       {hosts: []string{"recording"}, keys: "?", width: 100, height: 64},
	"fleet.svg":      {hosts: []string{"recording", "lb1"}, width: 132, height: 28},
}

// TestPictures: each picture is what the dashboard shows of the recordings
// beside it.
func TestPictures(t *testing.T) {
	for name, shot := range shots {
		frames := film(t, shot.hosts, shot.width, shot.height, []scene{{second: moment, keys: shot.keys}})
		compare(t, name, picture.SVG(frames[0].Text, "ktlstop", shot.width))
	}
}

// script is what somebody does who looks at the recording for the first time.
var script = []scene{
	{second: 1, hold: 1500 * time.Millisecond}, {second: 2, hold: time.Second}, {second: 3, hold: time.Second},
	{second: 4, hold: time.Second}, {second: 5, keys: "j", hold: time.Second}, {second: 6, keys: "\r", hold: 3 * time.Second},
	{second: 7, keys: "\x1b4", hold: 2500 * time.Millisecond}, {second: 8, keys: "3", hold: 2500 * time.Millisecond},
	{second: 8, keys: "2", hold: 2500 * time.Millisecond},
}

// TestFilm: the film is a session with the dashboard, played from the recording.
func TestFilm(t *testing.T) {
	const width, height = 120, 24
	compare(t, "demo.svg", picture.Film(film(t, []string{"recording"}, width, height, script), "ktlstop", width))
}

// TestPicturesOfText: these are what commands printed in the guest that made the
// recordings, for which there is no recording to play.
func TestPicturesOfText(t *testing.T) {
	for name, title := range map[string]string{
		"losses.frame": "ktlstop", "inspect.text": "ktlstop inspect --comm nginx --port 9443", "doctor.text": "ktlstop doctor nginx",
	} {
		text, err := os.ReadFile(filepath.Join(pictures, name))
		if err != nil {
			t.Fatal(err)
		}
		frame := string(bytes.TrimRight(text, "\n"))
		compare(t, name[:len(name)-len(filepath.Ext(name))]+".svg", picture.SVG(frame, title, picture.Width(frame)))
	}
}

// compare fails where the picture in the repository is another, and with -update
// replaces it.
func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	const most = 150_000 // bytes that a page may load for a picture
	if len(got) > most {
		t.Errorf("%s has %d bytes, and may have %d", name, len(got), most)
	}
	path := filepath.Join(pictures, name)
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
		t.Errorf("%s is not what the program shows now: make picture draws it anew", name)
	}
}

// scene is the screen at a second of the recording, after some keys.
type scene struct {
	second int
	keys   string
	hold   time.Duration // how long a film shows it
}

// film plays recordings behind the dashboard, as far as the last scene.
func film(t *testing.T, hosts []string, width, height int, scenes []scene) (frames []picture.Frame) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := openPictured(t, hosts)
	var m tea.Model = tui.New(tui.Config{Source: p.Snapshot, Select: p.Select, Hosts: p.Several()})
	m, _ = m.Update(tea.WindowSizeMsg{Width: width, Height: height})
	var begun uint64
	p.Second = func(mono uint64) { // each second, as the dashboard does
		if begun == 0 {
			begun = mono
		}
		m, _ = m.Update(m.Init()())
		for len(scenes) > 0 && mono-begun >= uint64(scenes[0].second)*uint64(time.Second) {
			m = press(m, scenes[0].keys)
			frames = append(frames, picture.Frame{Text: m.View(), For: scenes[0].hold})
			scenes = scenes[1:]
		}
		if len(scenes) == 0 {
			cancel()
		}
	}
	if err := p.Play(ctx); err != nil {
		t.Fatal(err)
	}
	if len(scenes) > 0 {
		t.Fatalf("the recording has ended before second %d", scenes[0].second)
	}
	return frames
}

// openPictured opens recordings of hosts. The host of recording.jsonl is called
// web1, as the machine was.
func openPictured(t *testing.T, hosts []string) *session.Recording {
	t.Helper()
	var readers []*source.Reader
	for _, host := range hosts {
		r, file, err := source.Open(filepath.Join(pictures, host+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		readers = append(readers, r)
	}
	if len(readers) == 1 {
		return session.NewRecording(readers[0], hosts[0]+".jsonl", version, 0)
	}
	return session.NewRecordings(readers, append([]string{"web1"}, hosts[1:]...), version, 0)
}

// press types keys: \r is enter, \x1b is esc.
func press(m tea.Model, keys string) tea.Model {
	for _, c := range keys {
		k := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{c}}
		switch c {
		case '\r':
			k = tea.KeyMsg{Type: tea.KeyEnter}
		case '\x1b':
			k = tea.KeyMsg{Type: tea.KeyEsc}
		}
		var cmd tea.Cmd
		if m, cmd = m.Update(k); cmd != nil {
			m, _ = m.Update(cmd())
		}
	}
	return m
}

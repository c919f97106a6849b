package tui

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/charmbracelet/x/ansi"
	"github.com/ktlstop/ktlstop/internal/flow"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// checkFrame fails where a frame does not fit its screen, or holds something
// that acts on the terminal.
func checkFrame(t *testing.T, m Model) {
	t.Helper()
	frame := m.View()
	lines := strings.Split(frame, "\n")
	if len(lines) > max(m.height, 1) {
		t.Errorf("%s: %d lines", size(m), len(lines))
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > m.width {
			t.Errorf("%s: line %d has %d columns: %q", size(m), i, w, l)
		}
		if plain := ansi.Strip(l); safe.String(plain) != plain {
			t.Errorf("%s: line %d is not fit for a terminal: %q", size(m), i, l)
		}
	}
}

// TestEverySizeFits draws every screen at many sizes.
func TestEverySizeFits(t *testing.T) {
	s := busy(30, 3)
	screens := [][]string{
		{}, {"2"}, {"3"}, {"4"}, {"5"}, {"?"}, {"s"}, {"/", "n"}, {"enter"}, {"enter", "x", "end"}, {"p"}, {"end"},
	}
	for _, keys := range screens {
		m := screen(Config{Filter: "comm==日本語プロ"}, s, 80, 24)
		if len(keys) == 0 || keys[0] != "enter" {
			m.setFilter("")
		}
		m = send(m, press(keys...)...)
		for _, w := range []int{1, 2, 3, 5, 10, 20, 33, 40, 79, 80, 81, 132, 200, 400} {
			for _, h := range []int{1, 2, 3, 4, 5, 6, 24, 120} {
				m = send(m, tea.WindowSizeMsg{Width: w, Height: h})
				checkFrame(t, m)
			}
		}
	}
}

func TestColourFits(t *testing.T) {
	s := busy(30, 3)
	m := New(Config{Source: func() *flow.Snapshot { return s }})
	m = send(m, tea.WindowSizeMsg{Width: 80, Height: 24}, snapshotMsg{s, noChain})
	if frame := m.View(); !strings.Contains(frame, "\x1b[") {
		t.Error("no colours")
	}
	for _, k := range []string{"1", "2", "3", "4", "5", "?"} {
		m = send(m, press(k)...)
		checkFrame(t, m)
	}
}

func TestNoColourHasNoEscapes(t *testing.T) {
	m := screen(Config{}, busy(30, 3), 120, 40)
	for _, k := range []string{"1", "2", "3", "4", "5", "?"} {
		m = send(m, press(k)...)
		if frame := m.View(); strings.Contains(frame, "\x1b") {
			t.Errorf("view %s has an escape", k)
		}
	}
}

func TestASCIIIsASCII(t *testing.T) {
	tr := newTraffic(3)
	tr.second()
	m := screen(Config{ASCII: true}, tr.snapshot(), 200, 60)
	for _, k := range []string{"1", "2", "3", "4", "5", "1"} {
		m = send(m, press(k)...)
		for _, r := range m.View() {
			if r > '~' {
				t.Fatalf("view %s has %q", k, r)
			}
		}
	}
}

// FuzzKeys feeds random keys, sizes, clicks and snapshots: never a panic, never
// a line too wide.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("1234522sjj\r/comm==x\x1b?qx"), uint8(80), uint8(24))
	f.Add([]byte("\r\rxgGwp+-"), uint8(1), uint8(1))
	snaps := []tea.Msg{
		snapshotMsg{busy(5, 2), noChain}, snapshotMsg{busy(40, 1), noChain}, snapshotMsg{New(Config{}).snap, noChain},
	}
	special := []tea.KeyType{
		tea.KeyEnter, tea.KeyEsc, tea.KeyUp, tea.KeyDown, tea.KeyTab, tea.KeyPgDown, tea.KeyPgUp,
		tea.KeyHome, tea.KeyEnd, tea.KeyBackspace, tea.KeyCtrlU, tea.KeyShiftTab,
	}
	f.Fuzz(func(t *testing.T, script []byte, w, h uint8) {
		m := New(Config{NoColor: len(script)%2 == 0})
		m = update1(m, tea.WindowSizeMsg{Width: int(w) * 2, Height: int(h)})
		for i, b := range script {
			switch {
			case b < 0x20:
				m = update1(m, tea.KeyMsg{Type: special[int(b)%len(special)]})
			case b < 0x80:
				m = update1(m, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{rune(b)}})
			case b < 0xa0:
				m = update1(m, snaps[int(b)%len(snaps)])
			case b < 0xc0:
				m = update1(m, tea.MouseMsg{X: int(b) % 100, Y: i % 30, Button: tea.MouseButton(b % 6), Action: tea.MouseActionPress})
			case b < 0xe0:
				m = update1(m, tea.WindowSizeMsg{Width: int(b) - 0xc0, Height: i % 40})
			default:
				m = update1(m, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{rune(b)<<8 | 0x2e, 0x1b}, Paste: true})
			}
			checkFrame(t, m)
		}
	})
}

// update1 updates without running commands.
func update1(m Model, msg tea.Msg) Model {
	next, _ := m.Update(msg)
	return next.(Model)
}

func BenchmarkFrame10k(b *testing.B) {
	s := busy(10_000, 2)
	m := screen(Config{}, s, 200, 60)
	m.palette = newPalette(false)
	b.Run("view", func(b *testing.B) {
		for range b.N {
			_ = m.View()
		}
	})
	b.Run("update+view", func(b *testing.B) {
		for range b.N {
			m = update1(m, snapshotMsg{s, noChain})
			_ = m.View()
		}
	})
	b.Run("sorted by p99", func(b *testing.B) {
		m.conns.sort = columnNamed(m.conns.cols, "P99")
		for range b.N {
			m = update1(m, snapshotMsg{s, noChain})
			_ = m.View()
		}
	})
	m.setFilter("nginx port!=22")
	b.Run("filtered", func(b *testing.B) {
		for range b.N {
			m = update1(m, snapshotMsg{s, noChain})
			_ = m.View()
		}
	})
}

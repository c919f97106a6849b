package tui

import (
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// pressed handles a key, or several that came at once: a slow terminal line delivers several
// keys together.
func (m *Model) pressed(k tea.KeyMsg) tea.Cmd {
	if k.Type != tea.KeyRunes || k.Paste || len(k.Runes) < 2 {
		return m.pressedOne(k)
	}
	var cmds []tea.Cmd
	for _, r := range k.Runes {
		one := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}, Alt: k.Alt}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		cmds = append(cmds, m.pressedOne(one))
	}
	return tea.Batch(cmds...)
}

func (m *Model) pressedOne(k tea.KeyMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return tea.Quit
	}
	m.status = ""
	if k.Alt {
		// Esc with a key right behind it looks like that key with Alt.
		k.Alt = false
		return tea.Batch(m.pressed(tea.KeyMsg{Type: tea.KeyEsc}), m.pressed(k))
	}
	switch m.mode {
	case filtering:
		return m.typed(k)
	case sorting:
		return m.chosen(k)
	case helping:
		return m.helped(k)
	}
	if cmd, ok := m.commanded(k); ok {
		return cmd
	}
	return m.navigated(k)
}

// commanded handles the keys that mean the same in all views.
func (m *Model) commanded(k tea.KeyMsg) (tea.Cmd, bool) {
	for v := range keys.View {
		if key.Matches(k, keys.View[v]) {
			return m.show(view(v)), true
		}
	}
	switch {
	case key.Matches(k, keys.Quit):
		return tea.Quit, true
	case key.Matches(k, keys.Help):
		m.mode, m.scroll = helping, 0
	case key.Matches(k, keys.Pause):
		return m.pause(), true
	case key.Matches(k, keys.Faster):
		return m.pace(-1), true
	case key.Matches(k, keys.Slower):
		return m.pace(+1), true
	case key.Matches(k, keys.Save):
		return m.save(), true
	case key.Matches(k, keys.Next):
		return m.show((m.view + 1) % numViews), true
	case key.Matches(k, keys.Prev):
		return m.show((m.view + numViews - 1) % numViews), true
	case key.Matches(k, keys.Filter):
		m.mode, m.before = filtering, m.input
	default:
		return nil, false
	}
	return nil, true
}

func (m *Model) pause() tea.Cmd {
	m.paused = !m.paused
	if m.paused {
		return nil
	}
	m.chain++
	return m.fetch(m.chain)
}

// periods are those that + and - choose from.
var periods = []time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// pace makes the period the next shorter or longer one.
func (m *Model) pace(step int) tea.Cmd {
	next := m.period
	for _, p := range periods {
		if step > 0 && p > m.period {
			next = p
			break
		}
		if step < 0 && p < m.period {
			next = p
		}
	}
	m.period = next
	m.say("period " + next.String())
	m.chain++
	return m.tick()
}

func (m *Model) save() tea.Cmd {
	snap, save := m.snap, m.cfg.Save
	m.say("writing a snapshot")
	return func() tea.Msg {
		path, err := save(snap)
		return savedMsg{path, err}
	}
}

// typed edits the filter. The view follows while the filter is valid.
func (m *Model) typed(k tea.KeyMsg) tea.Cmd {
	switch k.Type {
	case tea.KeyEnter:
		m.mode = browsing
		m.setFilter(m.input)
	case tea.KeyEsc:
		m.mode = browsing
		m.setFilter(m.before)
	case tea.KeyBackspace:
		_, n := utf8.DecodeLastRuneInString(m.input)
		m.setFilter(m.input[:len(m.input)-n])
	case tea.KeyCtrlU:
		m.setFilter("")
	case tea.KeySpace, tea.KeyRunes:
		m.setFilter(m.input + safe.String(string(k.Runes)))
	}
	return nil
}

// maxFilter is the longest filter in bytes: what is pasted may be anything.
const maxFilter = 200

// setFilter applies s. If s is invalid, the last filter stays.
func (m *Model) setFilter(s string) {
	if len(s) > maxFilter {
		return
	}
	m.input = s
	f, err := ParseFilter(s)
	if m.unfinished = err != nil; err != nil {
		m.fail(err)
		return
	}
	m.status, m.filter = "", f
	m.refresh()
}

func (m *Model) helped(k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, keys.Up, keys.Down, keys.PageUp, keys.PageDown, keys.Home, keys.End):
		m.scrolled(k)
	case key.Matches(k, keys.Quit):
		return tea.Quit
	default:
		m.mode, m.scroll = browsing, 0
	}
	return nil
}

// navigated handles the keys that depend on the view.
func (m *Model) navigated(k tea.KeyMsg) tea.Cmd {
	if m.textual() {
		return m.browsedText(k)
	}
	s := m.tableView()
	switch {
	case key.Matches(k, keys.Sort):
		m.openMenu()
	case key.Matches(k, keys.Reverse):
		s.flip()
		m.refresh()
	case key.Matches(k, keys.Group) && m.view == viewProcs:
		m.regroup()
		m.refresh()
	case key.Matches(k, keys.Enter):
		return m.enter()
	case key.Matches(k, keys.Back):
		m.setFilter("")
	default:
		s.navigate(bindingOf(k))
		m.resize()
	}
	return nil
}

// bindingOf is the binding for movement that k belongs to.
func bindingOf(k tea.KeyMsg) key.Binding {
	for _, b := range []key.Binding{keys.Up, keys.Down, keys.PageUp, keys.PageDown, keys.Home, keys.End} {
		if key.Matches(k, b) {
			return b
		}
	}
	return key.Binding{}
}

func (m *Model) browsedText(k tea.KeyMsg) tea.Cmd {
	switch {
	case key.Matches(k, keys.Back):
		return m.leave()
	case key.Matches(k, keys.Plaintext):
		m.plaintext, m.scroll = !m.plaintext, 0
		m.resize()
	default:
		m.scrolled(k)
	}
	return nil
}

func (m *Model) scrolled(k tea.KeyMsg) {
	page := max(m.bodyHeight()-1, 1)
	switch bindingOf(k).Help() {
	case keys.Up.Help():
		m.scroll--
	case keys.Down.Help():
		m.scroll++
	case keys.PageUp.Help():
		m.scroll -= page
	case keys.PageDown.Help():
		m.scroll += page
	case keys.Home.Help():
		m.scroll = 0
	case keys.End.Help():
		m.scroll = len(m.textLines())
	}
	m.resize()
}

// enter opens the detail view of the row under the cursor.
func (m *Model) enter() tea.Cmd {
	switch m.view {
	case viewConns:
		if r, ok := m.conns.current(); ok {
			return m.inspect(r.Conn.ID)
		}
	case viewRecords:
		if r, ok := m.records.current(); ok {
			return m.inspect(r.Conn.ID)
		}
	case viewMoments:
		if e, ok := m.moments.current(); ok && e.conn != nil {
			return m.inspect(e.conn.ID)
		}
	case viewProcs:
		if g, ok := m.groups.current(); ok {
			m.setFilter(m.groupFilter(g))
			return m.show(viewConns)
		}
	}
	return nil
}

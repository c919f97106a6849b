package tui

import (
	"fmt"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// choice is a column to sort by.
type choice struct {
	index      int
	name, help string
	active     bool
}

func (t *table[T]) sortable() (out []choice) {
	for i := range t.cols {
		if c := &t.cols[i]; c.order != nil {
			out = append(out, choice{i, c.name, c.help, i == t.sort})
		}
	}
	return out
}

// openMenu shows the columns to sort by, the current one chosen.
func (m *Model) openMenu() {
	choices := m.tableView().sortable()
	if len(choices) == 0 {
		m.say("this view is in the order of time")
		return
	}
	m.mode, m.menu = sorting, 0
	for i, c := range choices {
		if c.active {
			m.menu = i
		}
	}
}

// chosen handles a key while the sort menu is open.
func (m *Model) chosen(k tea.KeyMsg) tea.Cmd {
	choices := m.tableView().sortable()
	switch {
	case key.Matches(k, keys.Up):
		m.menu = max(m.menu-1, 0)
	case key.Matches(k, keys.Down):
		m.menu = min(m.menu+1, len(choices)-1)
	case key.Matches(k, keys.Home):
		m.menu = 0
	case key.Matches(k, keys.End):
		m.menu = len(choices) - 1
	case key.Matches(k, keys.Enter), key.Matches(k, keys.Pause):
		m.tableView().sortBy(choices[m.menu].index)
		m.mode = browsing
		m.refresh()
	case key.Matches(k, keys.Quit), key.Matches(k, keys.Back), key.Matches(k, keys.Sort):
		m.mode = browsing
	}
	return nil
}

// menuLines draws the sort menu, with the cursor among the lines that fit.
func (m *Model) menuLines(height int) []line {
	choices := m.tableView().sortable()
	out := []line{{{"sort by", title}}}
	rows := max(height-1, 1)
	if rows < len(choices) {
		out[0] = append(out[0], span{fmt.Sprintf("  %d of %d shown", rows, len(choices)), faint})
	}
	start := max(0, m.menu-rows+1)
	for i := start; i < len(choices) && i < start+rows; i++ {
		out = append(out, menuLine(choices[i], i == m.menu))
	}
	return out
}

func menuLine(c choice, cursor bool) line {
	mark, t := "  ", plain
	if cursor {
		mark, t = "> ", chosen
	}
	return line{{mark + fit(c.name, 9, false, ""), t}, {"  " + c.help, faint}}
}

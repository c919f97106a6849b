package tui

import (
	tea "github.com/charmbracelet/bubbletea"
)

// pointed handles the mouse: the wheel scrolls, a click chooses a view, a column to sort by or
// a row, and a click on the chosen row opens its detail view.
func (m *Model) pointed(e tea.MouseMsg) tea.Cmd {
	if e.Action != tea.MouseActionPress || m.mode == filtering {
		return nil
	}
	switch e.Button {
	case tea.MouseButtonWheelUp:
		m.wheel(-3)
	case tea.MouseButtonWheelDown:
		m.wheel(+3)
	case tea.MouseButtonLeft:
		return m.clicked(e.X, e.Y)
	}
	return nil
}

func (m *Model) wheel(n int) {
	if m.textual() || m.mode == helping {
		m.scroll += n
		m.resize()
		return
	}
	cursor, _, _ := m.tableView().position()
	m.tableView().to(cursor + n)
	m.resize()
}

func (m *Model) clicked(x, y int) tea.Cmd {
	p := m.parts()
	switch {
	case m.mode != browsing:
		m.mode = browsing
	case p.tabs && y == 1:
		if v, ok := m.tabAt(x); ok {
			return m.show(v)
		}
	case m.textual():
	case p.columns && y == p.top:
		m.clickedColumn(x)
	case y > p.top || !p.columns && y == p.top:
		return m.clickedRow(y - p.top - btoi(p.columns))
	}
	return nil
}

func (m *Model) clickedColumn(x int) {
	s := m.tableView()
	if i := s.at(x, m.width); i >= 0 {
		s.sortBy(i)
		m.refresh()
	}
}

func (m *Model) clickedRow(y int) tea.Cmd {
	s := m.tableView()
	cursor, top, count := s.position()
	i := top + y
	if y < 0 || y >= m.tableRows() || i >= count {
		return nil
	}
	if i == cursor {
		return m.enter()
	}
	s.to(i)
	m.resize()
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

package tui

import (
	"strings"
)

// parts returns which parts of the screen have room. The header comes first, then the body,
// the last line, the tabs and the names of columns.
type parts struct {
	tabs, footer, columns bool
	top, body             int // first line and number of lines of the body
}

func (m *Model) parts() parts {
	p := parts{footer: m.height >= 3, tabs: m.height >= 4}
	p.top = 1 + btoi(p.tabs)
	p.body = max(0, m.height-p.top-btoi(p.footer))
	p.columns = p.body >= 2
	return p
}

func (m *Model) bodyHeight() int { return m.parts().body }

// tableRows is the number of rows that a table has room for.
func (m *Model) tableRows() int {
	p := m.parts()
	return p.body - btoi(p.columns)
}

// textual reports whether the body is text to scroll, and no table.
func (m *Model) textual() bool {
	return m.mode == helping || m.detail != 0 || m.view == viewRun || m.waiting()
}

// waiting reports whether there is nothing to show yet.
func (m *Model) waiting() bool {
	s := m.snap
	return len(s.Rows) == 0 && s.RecentCount == 0 && len(s.Moments) == 0 && s.Totals.Records == [2]uint64{}
}

// frame draws the whole screen.
func (m *Model) frame() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	p := m.parts()
	out := make([]string, 0, m.height)
	add := func(l line) { out = append(out, l.render(m.palette, m.width, m.glyphs)) }
	add(m.header())
	if p.tabs {
		add(m.tabs())
	}
	body := m.body(p)
	for _, l := range body[:min(len(body), p.body)] {
		add(l)
	}
	for len(out) < m.height-btoi(p.footer) {
		out = append(out, "")
	}
	if p.footer {
		add(m.footer())
	}
	return strings.Join(out, "\n")
}

// body draws what is between the tabs and the last line.
func (m *Model) body(p parts) []line {
	switch {
	case m.mode == sorting:
		return m.menuLines(p.body)
	case m.textual():
		lines := m.textLines()
		from := max(0, min(m.scroll, len(lines)-p.body))
		return lines[from:min(len(lines), from+p.body)]
	}
	return m.tableLines(p)
}

func (m *Model) tableLines(p parts) (out []line) {
	e := m.env()
	s := m.tableView()
	if p.columns {
		out = append(out, s.head(m.width, e))
	}
	if _, _, count := s.position(); count == 0 && !m.filter.empty() && p.body > 0 {
		return append(out, line{{m.nothing(), faint}})
	}
	return append(out, s.body(m.width, m.tableRows(), e)...)
}

// nothing returns the reason why a table is empty.
func (m *Model) nothing() string {
	if m.unfinished {
		return "  the filter is not valid yet"
	}
	return "  nothing matches the filter; esc clears it"
}

func (m *Model) env() *env {
	return &env{snap: m.snap, glyphs: m.glyphs, loc: m.cfg.Location}
}

// textLines are all lines of a body that is text.
func (m *Model) textLines() []line {
	switch {
	case m.mode == helping:
		return m.helpLines()
	case m.detail != 0:
		return m.detailLines()
	case m.view == viewRun:
		return m.runLines()
	}
	return m.emptyLines()
}

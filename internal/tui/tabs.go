package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/safe"
)

// tabNames come in two lengths; where neither fits, there are only digits.
var tabNames = [2][numViews]string{
	{"connections", "processes", "records", "events", "run"},
	{"conns", "procs", "recs", "events", "run"},
}

// periodText returns the period, or that the view is paused.
func (m *Model) periodText() string {
	if m.paused {
		return "PAUSED"
	}
	return m.period.String()
}

// tabTexts are the tabs' names as they fit the screen.
func (m *Model) tabTexts() [numViews]string {
	var texts [numViews]string
	for _, names := range tabNames {
		width := 0
		for v, name := range names {
			texts[v] = " " + strconv.Itoa(v+1) + " " + name + " "
			if view(v) == m.view {
				texts[v] = "[" + texts[v][1:len(texts[v])-1] + "]"
			}
			width += len(texts[v])
		}
		if width <= m.width {
			return texts
		}
	}
	for v := range texts {
		texts[v] = strconv.Itoa(v + 1)
		if view(v) == m.view {
			texts[v] = "[" + texts[v] + "]"
		}
	}
	return texts
}

// tabs is the line of views, and of what is special about the current one.
func (m *Model) tabs() line {
	var out line
	for v, text := range m.tabTexts() {
		t := faint
		if view(v) == m.view {
			t = title
		}
		out = append(out, span{text, t})
	}
	note := m.note()
	gap := m.width - out.width() - safe.Width(note.text)
	if note.text == "" || gap < 1 {
		return out
	}
	return append(out, span{spaces(gap), plain}, note)
}

// note returns what hides rows from the screen.
func (m *Model) note() span {
	switch {
	case m.paused:
		return span{"PAUSED", warn}
	case !m.filter.empty():
		return span{"filter: " + m.input, accent}
	case m.view == viewProcs:
		return span{groupingNotes[m.grouped], accent}
	}
	return span{}
}

// tabAt is the view whose tab is at column x.
func (m *Model) tabAt(x int) (view, bool) {
	for v, text := range m.tabTexts() {
		if x < len(text) {
			return view(v), true
		}
		x -= len(text)
	}
	return 0, false
}

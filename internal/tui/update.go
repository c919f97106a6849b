package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

func (m *Model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 0), max(msg.Height, 0)
		m.resize()
	case tickMsg:
		return m.ticked(msg)
	case snapshotMsg:
		return m.arrived(msg)
	case savedMsg:
		m.saved(msg)
	case tea.KeyMsg:
		return m.pressed(msg)
	case tea.MouseMsg:
		return m.pointed(msg)
	}
	return nil
}

func (m *Model) ticked(msg tickMsg) tea.Cmd {
	switch {
	case msg.chain != m.chain:
		return nil
	case m.paused:
		return m.tick()
	}
	return m.fetch(m.chain)
}

func (m *Model) arrived(msg snapshotMsg) tea.Cmd {
	if m.wanted(msg) {
		m.cost = m.cost.next(m.snap, msg.snap)
		m.snap = msg.snap
		m.refresh()
	}
	if msg.chain != m.chain {
		return nil
	}
	if m.source == 0 && m.streamed() != 0 { // the first connection is here
		return tea.Batch(m.tick(), m.leave())
	}
	return m.tick()
}

// wanted reports whether a snapshot is to be shown: not in a pause, and not if a newer one
// came first.
func (m *Model) wanted(msg snapshotMsg) bool {
	return msg.snap != nil && msg.snap.Mono >= m.snap.Mono && (!m.paused || msg.chain == noChain)
}

func (m *Model) saved(msg savedMsg) {
	if msg.err != nil {
		m.fail(msg.err)
		return
	}
	m.say("wrote " + safe.String(msg.path))
}

func (m *Model) say(s string)   { m.status, m.statusBad = s, false }
func (m *Model) fail(err error) { m.status, m.statusBad = safe.String(err.Error()), true }

// refresh fills the current view's table from the snapshot.
func (m *Model) refresh() {
	switch m.view {
	case viewConns:
		m.conns.set(m.snap.Rows, m.filter)
	case viewProcs:
		m.groups.set(m.allGroups(), m.filter)
	case viewRecords:
		m.records.set(pointers(m.snap.Recent), m.filter)
	case viewMoments:
		m.moments.set(moments(m.snap.Moments), m.filter)
	}
	m.resize()
}

func pointers(records []event.Record) []*event.Record {
	out := make([]*event.Record, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}

func moments(events []event.Event) []moment {
	out := make([]moment, len(events))
	for i, ev := range events {
		out[i] = momentOf(ev)
	}
	return out
}

// tableView is what the views with a table have in common.
type tableView interface {
	resize(height int)
	navigate(key.Binding)
	to(i int)
	sortBy(i int)
	at(x, width int) int
	head(width int, e *env) line
	body(width, height int, e *env) []line
	sortable() []choice
	flip()
	position() (cursor, top, count int)
}

// tableView returns the table of the current view, nil if it has none.
func (m *Model) tableView() tableView {
	switch m.view {
	case viewConns:
		return &m.conns
	case viewProcs:
		return &m.groups
	case viewRecords:
		return &m.records
	case viewMoments:
		return &m.moments
	}
	return nil
}

func (t *table[T]) position() (cursor, top, count int) { return t.cursor, t.top, len(t.rows) }

func (t *table[T]) flip() { t.reverse = !t.reverse }

// resize sets how many lines of the table or the text fit.
func (m *Model) resize() {
	if s := m.tableView(); s != nil {
		s.resize(m.tableRows())
	}
	if m.textual() {
		m.scroll = max(0, min(m.scroll, len(m.textLines())-m.bodyHeight()))
	}
}

func (m *Model) show(v view) tea.Cmd {
	if (v == viewRun) != (m.view == viewRun) {
		m.cfg.Measure(v == viewRun)
	}
	m.view, m.scroll = v, 0
	cmd := m.leave()
	m.refresh()
	return cmd
}

// leave closes the detail view of a connection.
func (m *Model) leave() tea.Cmd {
	if m.detail == 0 && m.source == m.streamed() {
		return nil
	}
	return m.inspect(0)
}

// streamed returns the connection whose records the current view shows: some sources report
// only the records of a chosen connection. It is the one under the cursor of the connections.
func (m *Model) streamed() uint64 {
	if m.view != viewRecords {
		return 0
	}
	if r, ok := m.conns.current(); ok {
		return r.Conn.ID
	}
	if len(m.snap.Rows) > 0 {
		return m.snap.Rows[0].Conn.ID
	}
	return 0
}

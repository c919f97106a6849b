package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// hostColumn says of which host a row is, where there are several.
func hostColumn[T any](of func(T) string) column[T] {
	return column[T]{name: "HOST", width: 9, most: 24, prio: 1, help: "the host that it is of",
		cell:  func(b []byte, row T, _ *env) []byte { return safe.Append(b, of(row)) },
		order: func(a, b T) int { return cmp.Compare(of(a), of(b)) }}
}

// withHosts gives every table a column for the host, before all others.
func (m *Model) withHosts() {
	addHosts(&m.conns, func(r *flow.Row) string { return r.Conn.Host })
	addHosts(&m.groups, func(g *flow.Group) string { return g.Host })
	addHosts(&m.records, func(r *event.Record) string { return r.Conn.Host })
	addHosts(&m.moments, func(w moment) string { return event.HostOf(w.ev) })
}

func addHosts[T any](t *table[T], of func(T) string) {
	col := hostColumn(of)
	if t.stream { // rows stay in the order of time
		col.order = nil
	}
	t.cols = append([]column[T]{col}, t.cols...)
	if t.sort >= 0 {
		t.sort++
	}
}

// awaySpan names the hosts from which nothing comes: what is shown of them is old.
func (m *Model) awaySpan() span {
	if m.snap.Run == nil {
		return span{}
	}
	var away []string
	for i := range m.snap.Run.Hosts {
		if h := &m.snap.Run.Hosts[i]; h.Away {
			away = append(away, m.shortHost(h.Name))
		}
	}
	switch len(away) {
	case 0:
		return span{}
	case 1:
		return span{"AWAY " + away[0], bad}
	}
	return span{"AWAY " + units.Count(uint64(len(away))) + " of " + units.Count(uint64(len(m.snap.Run.Hosts))) + " hosts", bad}
}

// shortHost is a name that leaves room for others on a line.
func (m *Model) shortHost(name string) string {
	const room = 16
	name = safe.String(name)
	if safe.Width(name) <= room {
		return name
	}
	return strings.TrimRight(fit(name, room, false, m.glyphs.cut), " ")
}

// hostLines list the hosts, those that are away with the reason.
func (m *Model) hostLines(hosts []flow.RunHost) []line {
	if len(hosts) == 0 {
		return nil
	}
	out := []line{nil, {{"hosts", title}}}
	for i := range hosts {
		h := &hosts[i]
		l := line{{"  " + fit(safe.String(h.Name), 24, false, m.glyphs.cut), plain}}
		switch {
		case h.Away:
			words := "AWAY for " + units.Duration(m.snap.Mono-min(m.snap.Mono, h.Since)) + ": " + safe.String(h.Reason)
			l = append(l, span{"  " + words, bad})
		case h.Version != "":
			l = append(l, span{"  ktlstop " + safe.String(h.Version) + ", kernel " + safe.String(h.Kernel) + ", at " + safe.String(h.Address), plain})
		}
		out = append(out, l)
	}
	return out
}

// hostMoment is a host that is here, or that is away.
func hostMoment(h *event.Host) moment {
	m := moment{mono: h.Mono, kind: "host", what: "here"}
	switch {
	case h.State == event.HostAway:
		m.tone, m.what = bad, "AWAY: "+safe.String(h.Reason)
	case h.Away > 0:
		m.tone, m.what = warn, "here again: not known what happened for "+units.Duration(uint64(h.Away))
	}
	return m
}

// hostGroups are the sums by host, and the hosts that have no connection.
func (m *Model) hostGroups() []*flow.Group {
	groups := m.snap.Hosts
	if m.snap.Run == nil || !m.cfg.Hosts {
		return groups
	}
	for i := range m.snap.Run.Hosts {
		name := m.snap.Run.Hosts[i].Name
		if !slices.ContainsFunc(groups, func(g *flow.Group) bool { return g.Host == name }) {
			groups = append(slices.Clip(groups), &flow.Group{Host: name, Whole: true})
		}
	}
	return groups
}

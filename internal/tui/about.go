package tui

import (
	"maps"
	"slices"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// runLines is the view about this run: what it can see, what it lost, and what
// it costs.
func (m *Model) runLines() []line {
	out := m.runHead()
	out = append(out, m.lossLines()...)
	if r := m.snap.Run; r != nil {
		out = append(out, m.hostLines(r.Hosts)...)
		out = append(out, m.costLines(r)...)
		out = append(out, ringLines(r.Rings)...)
		out = append(out, hookLines(r.Hooks)...)
		for _, note := range r.Notes {
			out = append(out, text("  "+safe.String(note)))
		}
	}
	return out
}

func (m *Model) runHead() []line {
	r := m.snap.Run
	if r == nil {
		r = &flow.Run{}
	}
	out := []line{
		{{"this run", title}},
		fact("kernel", r.Kernel), fact("host", r.Host), fact("ktlstop", r.Version), fact("source", r.Source),
		fact("filter", r.Filter), tierLine(r.Tier),
		fact("seen", units.Count(m.snap.Counts.Opened)+" connections, "+units.Count(m.snap.Counts.Closed)+" closed, "+
			totalText(&m.snap.Totals, event.TX)+" sent, "+totalText(&m.snap.Totals, event.RX)+" received"),
		fact("dropped", droppedText(m.snap.Counts.Dropped)),
	}
	return slices.DeleteFunc(out, func(l line) bool { return l == nil })
}

// droppedText is empty where nothing was dropped.
func droppedText(n uint64) string {
	if n == 0 {
		return ""
	}
	return units.Count(n) + " records of DTLS that nobody reads; view 4 has the reasons"
}

// fact is a line of a name and a value, none where the value is empty.
func fact(name, value string) line {
	if value == "" {
		return nil
	}
	return line{{"  " + fit(name, 10, false, ""), faint}, {" " + safe.String(value), plain}}
}

func tierLine(t event.Tier) line {
	words := map[event.Tier]string{
		event.TierNone: "none: no application data leaves the kernel, only alert codes and the types of handshake messages",
		event.TierSnap: "snap: PLAINTEXT leaves the kernel",
	}
	l := fact("tier", words[t])
	if t == event.TierSnap {
		l[1].tone = bad
	}
	return l
}

// lossLines name every loss, by cause.
func (m *Model) lossLines() []line {
	s := m.snap
	out := []line{nil, {{"losses", title}}}
	for _, cause := range slices.Sorted(maps.Keys(s.Lost)) {
		out = append(out, line{{"  " + fit(safe.String(cause), 22, false, "") + units.Count(s.Lost[cause]), countTone(s.Lost[cause], bad)}})
	}
	for _, c := range []struct {
		name string
		n    uint64
	}{
		{"duplicates", s.Duplicates}, {"ledger forgot", s.Forgotten},
		{"closed rows dropped", s.Counts.Evicted}, {"no room in table", s.Counts.Untracked},
	} {
		if c.n > 0 {
			out = append(out, line{{"  " + fit(c.name, 22, false, "") + units.Count(c.n), warn}})
		}
	}
	if len(out) == 2 {
		out = append(out, line{{"  nothing was lost", good}})
	}
	return out
}

func (m *Model) costLines(r *flow.Run) []line {
	if len(r.Programs) == 0 {
		return nil
	}
	out := []line{nil, {{"cost of the BPF programs", title}, {m.cost.String(), plain}}}
	if !slices.ContainsFunc(r.Programs, func(p event.ProgramCost) bool { return p.Runs > 0 }) {
		return append(out, text("  not measured"))
	}
	for _, p := range r.Programs {
		out = append(out, line{
			{"  " + fit(safe.String(p.Name), 32, false, "…"), plain},
			{fit(units.Count(p.Runs)+" runs", 13, true, ""), plain},
			{fit(units.Duration(mean(p.Nanos, p.Runs))+" each", 13, true, ""), plain},
		})
	}
	return out
}

func ringLines(rings []flow.Ring) []line {
	if len(rings) == 0 {
		return nil
	}
	out := []line{nil, {{"rings and maps", title}}}
	for _, r := range rings {
		out = append(out, line{
			{"  " + fit(safe.String(r.Name), 22, false, "…"), plain},
			{fit(units.Count(r.Used)+" of "+units.Count(r.Size), 18, false, ""), plain},
			{strconv.FormatUint(mean(100*r.Used, r.Size), 10) + " %", usageTone(r)},
			{"  lost " + units.Count(r.Lost), countTone(r.Lost, bad)},
		})
	}
	return out
}

func usageTone(r flow.Ring) tone {
	if r.Size > 0 && r.Used*10 > r.Size*8 {
		return warn
	}
	return plain
}

// hookLines list the missing hooks first, with what cannot be seen without them.
func hookLines(hooks []flow.Hook) []line {
	if len(hooks) == 0 {
		return nil
	}
	out := []line{nil, {{"hooks", title}}}
	for _, want := range []bool{false, true} {
		for _, h := range hooks {
			if h.Attached == want {
				out = append(out, hookLine(h))
			}
		}
	}
	return out
}

func hookLine(h flow.Hook) line {
	if h.Attached {
		return line{{"  " + fit("attached", 10, false, "") + safe.String(h.Name), plain}}
	}
	return line{{"  " + fit("MISSING", 10, false, ""), bad}, {fit(safe.String(h.Name), 28, false, "…"), plain}, {"  " + safe.String(h.Note), faint}}
}

package tui

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// field is a piece of the header. Those with the highest prio go first where
// there is no room.
type field struct {
	span
	prio int
}

const fieldGap = "  "

// header is the first line: where, how much, and whether anything is wrong.
func (m *Model) header() line {
	s := m.snap
	fields := []field{
		{span{"ktlstop", title}, 6},
		{span{m.place(), plain}, 8},
		{span{m.periodText(), faint}, 7},
		{span{connText(s), plain}, 4},
		{span{units.Rate(recordRate(&s.Rate)) + " rec/s", plain}, 2},
		{span{"tx " + units.Rate(s.Rate[event.TX].Bytes) + "B/s rx " + units.Rate(s.Rate[event.RX].Bytes) + "B/s", plain}, 3},
		{span{"err " + units.Count(s.Counts.Errors), countTone(s.Counts.Errors, bad)}, 5},
		{droppedSpan(s), 5},
		{lostSpan(s), 1},
		{m.awaySpan(), 0},
	}
	return pack(fields, m.width)
}

// place is the host and its kernel, or where the events come from if nothing is
// known of those.
func (m *Model) place() string {
	r := m.snap.Run
	switch {
	case r == nil:
		return ""
	case r.Host == "" && r.Kernel == "":
		return safe.String(r.Source)
	}
	return safe.String(strings.TrimSpace(r.Host + " " + r.Kernel))
}

func connText(s *flow.Snapshot) string {
	return strconv.Itoa(s.Open) + " conn (" + strconv.Itoa(s.SW) + " sw " + strconv.Itoa(s.HW) + " hw)"
}

// droppedSpan is how many received DTLS records no program reads. The header omits it if
// there are none.
func droppedSpan(s *flow.Snapshot) span {
	if s.Counts.Dropped == 0 {
		return span{}
	}
	return span{"dropped " + units.Count(s.Counts.Dropped), warn}
}

// lostSpan is a zero, or the number of lost events with the main cause.
func lostSpan(s *flow.Snapshot) span {
	if s.LostTotal == 0 {
		return span{"lost 0", good}
	}
	text := "LOST " + units.Count(s.LostTotal) + " " + safe.String(mainCause(s.Lost))
	return span{text, bad}
}

// mainCause is the cause of most losses.
func mainCause(lost map[string]uint64) string {
	var most string
	for _, cause := range slices.Sorted(maps.Keys(lost)) {
		if most == "" || lost[cause] > lost[most] {
			most = cause
		}
	}
	return most
}

// pack puts as many fields on a line as fit, by priority.
func pack(fields []field, width int) line {
	fields = slices.DeleteFunc(fields, func(f field) bool { return f.text == "" })
	for len(fields) > 1 && packed(fields) > width {
		worst := 0
		for i := range fields {
			if fields[i].prio > fields[worst].prio {
				worst = i
			}
		}
		fields = slices.Delete(fields, worst, worst+1)
	}
	var out line
	for i, f := range fields {
		if i > 0 {
			out = append(out, span{fieldGap, plain})
		}
		out = append(out, f.span)
	}
	return out
}

func packed(fields []field) int {
	n := len(fieldGap) * (len(fields) - 1)
	for _, f := range fields {
		n += safe.Width(f.text)
	}
	return n
}

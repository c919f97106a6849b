package metrics

import (
	"maps"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// idleTime is how long a group without a connection is kept.
const idleTime = 15 * time.Minute

// modes are the values of the label "mode", by event.Mode.
const modes = 3

// group has all connections with the same labels, and their counters.
type group struct {
	scrapeView
	used  time.Time // time of its last event or sample
	conns int       // open ones

	// live is the current round's sum of the open connections, ended the sum of the
	// closed ones, and of records that came as events. Only Run uses them.
	live, ended tally
	keys        [2]uint64 // the current round's most records under one key
	fromEvents  [2]uint64 // the same for connections whose records come as events, while there are any
}

// scrapeView is the part of a group that a scrape shows.
type scrapeView struct {
	labels   []string
	created  time.Time
	shown    tally
	shownKey [2]uint64
	data     [2]uint64     // records of application data
	open     [2][modes]int // connections, by direction and by who seals and opens
	types    [2][controlTypes]uint64
	counts   map[count]uint64 // counters of events
	longest  [2]longest
	marks    [2]exemplars
}

// copied is a copy of the data that a scrape shows, which does not change.
func (f *scrapeView) copied() scrapeView {
	c := *f
	c.counts = maps.Clone(f.counts)
	for d, m := range f.marks {
		c.marks[d] = maps.Clone(m)
	}
	return c
}

// mode is the index of an event.Mode in modes: every kind of card has the same one.
func mode(m event.Mode) int { return min(int(m), modes-1) }

// keyOf identifies a group. No label contains a NUL.
func keyOf(labels []string) string { return strings.Join(labels, "\x00") }

func newGroup(labels []string, now time.Time) *group {
	return &group{used: now, scrapeView: scrapeView{labels: labels, created: now, counts: map[count]uint64{
		{of: closed}: 0, {of: keyUpdates, a: event.TX.String()}: 0, {of: keyUpdates, a: event.RX.String()}: 0}}}
}

// publish makes a round visible.
func (g *group) publish(now time.Time) {
	next := g.ended
	next.add(&g.live)
	next.raise(&g.shown)
	if next[0].records != g.shown[0].records || next[1].records != g.shown[1].records {
		g.used = now
	}
	for d := range next {
		g.longest[d].update(now, &g.shown[d].lat[total], &next[d].lat[total])
		data := next[d].records - min(next[d].records, g.control(event.Dir(d)))
		g.data[d] = max(g.data[d], data) // a control record may be reported before the sums include it
	}
	if g.conns == 0 {
		g.fromEvents = [2]uint64{}
	}
	g.shown, g.shownKey = next, [2]uint64{max(g.keys[0], g.fromEvents[0]), max(g.keys[1], g.fromEvents[1])}
	g.live, g.keys = tally{}, [2]uint64{}
}

// idle reports whether a group has no connection and had no event for a long time.
func (g *group) idle(now time.Time) bool { return g.conns == 0 && now.Sub(g.used) >= idleTime }

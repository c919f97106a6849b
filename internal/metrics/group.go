package metrics

import (
	"maps"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// idleTime is how long a group without a connection stays.
const idleTime = 15 * time.Minute

// modes are the values of the label "mode", by event.Mode.
const modes = 3

// group is what has the same labels: connections that come and go, and what is counted of
// them.
type group struct {
	scrapeView
	used  time.Time // when something was last told of it
	conns int       // open ones

	// live is the present round's sum of the connections that are open, ended that of
	// those that are gone, and of records that came as events. Both are Run's alone.
	live, ended tally
	keys        [2]uint64 // the present round's most records under one key
	fromEvents  [2]uint64 // the same of connections whose records come as events, while there is one
}

// scrapeView is what a scrape shows of a group.
type scrapeView struct {
	labels   []string
	created  time.Time
	shown    tally
	shownKey [2]uint64
	data     [2]uint64     // records of application data
	open     [2][modes]int // connections, by direction and by who seals and opens
	types    [2][controlTypes]uint64
	counts   map[count]uint64 // what events are counted
	longest  [2]longest
	marks    [2]exemplars
}

// copied is what stays as it is while the group goes on.
func (f *scrapeView) copied() scrapeView {
	c := *f
	c.counts = maps.Clone(f.counts)
	for d, m := range f.marks {
		c.marks[d] = maps.Clone(m)
	}
	return c
}

// mode is an event.Mode as a label's place: a card is a card.
func mode(m event.Mode) int { return min(int(m), modes-1) }

// keyOf is the name of a group among others. No label has a NUL in it.
func keyOf(labels []string) string { return strings.Join(labels, "\x00") }

func newGroup(labels []string, now time.Time) *group {
	return &group{used: now, scrapeView: scrapeView{labels: labels, created: now, counts: map[count]uint64{
		{of: closed}: 0, {of: keyUpdates, a: event.TX.String()}: 0, {of: keyUpdates, a: event.RX.String()}: 0}}}
}

// publish shows what a round has brought.
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
		g.data[d] = max(g.data[d], data) // a control record may be reported before it is added up
	}
	if g.conns == 0 {
		g.fromEvents = [2]uint64{}
	}
	g.shown, g.shownKey = next, [2]uint64{max(g.keys[0], g.fromEvents[0]), max(g.keys[1], g.fromEvents[1])}
	g.live, g.keys = tally{}, [2]uint64{}
}

// idle reports whether nothing has been told of a group for long that has no connection.
func (g *group) idle(now time.Time) bool { return g.conns == 0 && now.Sub(g.used) >= idleTime }

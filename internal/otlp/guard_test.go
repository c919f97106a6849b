package otlp

import (
	"testing"
	"time"
)

// clock is a clock that tests set.
type clock struct{ t time.Time }

func (c *clock) pass(d time.Duration) { c.t = c.t.Add(d) }

// held collects facts.
type held struct{ facts []fact }

func (h *held) emit(f fact) { h.facts = append(h.facts, f) }

func (h *held) sum() (n uint64) {
	for _, f := range h.facts {
		n += f.count
	}
	return n
}

func newFact() fact { return fact{name: recordError} }

func TestGuard(t *testing.T) {
	var h held
	c := clock{time.Unix(1000, 0)}
	g := newGuard(h.emit)
	k := kind{name: recordError, detail: 74}
	for range 100 {
		g.admit(k, 1, c.t, newFact)
	}
	if len(h.facts) != perSecond {
		t.Fatalf("%d facts in the first second", len(h.facts))
	}
	g.admit(kind{name: recordError, detail: 5}, 1, c.t, newFact)
	if len(h.facts) != perSecond+1 {
		t.Error("another errno is held back with the first")
	}
	g.tick(c.t.Add(time.Second / 2))
	if len(h.facts) != perSecond+1 {
		t.Error("released within the second")
	}
	c.pass(2 * time.Second)
	g.tick(c.t)
	if len(h.facts) != perSecond+2 || h.facts[perSecond+1].count != 90 {
		t.Errorf("after the second: %+v", h.facts[perSecond+1:])
	}
	c.pass(time.Second)
	g.tick(c.t)
	if h.sum() != 101 {
		t.Errorf("facts stand for %d, of 101", h.sum())
	}
}

// The next fact of a kind ends the second too; each may stand for several.
func TestGuardCounts(t *testing.T) {
	var h held
	c := clock{time.Unix(1000, 0)}
	g := newGuard(h.emit)
	k := kind{name: recordError}
	var sum uint64
	for i := range 1000 {
		n := uint64(i%3 + 1)
		sum += n
		g.admit(k, n, c.t, newFact)
		c.pass(7 * time.Millisecond)
	}
	g.end()
	if h.sum() != sum {
		t.Errorf("facts stand for %d, of %d", h.sum(), sum)
	}
	if most := 8 * (perSecond + 1); len(h.facts) > most {
		t.Errorf("%d facts in seven seconds, more than %d", len(h.facts), most)
	}
}

// More kinds than there is room for: memory is limited, and counts are right.
func TestGuardBounded(t *testing.T) {
	var h held
	now := time.Unix(1000, 0)
	g := newGuard(h.emit)
	for i := range 3 * maxKinds {
		for range perSecond + 3 {
			g.admit(kind{detail: uint64(i)}, 1, now, newFact)
		}
	}
	if g.kinds.Len() != maxKinds {
		t.Errorf("%d kinds are kept", g.kinds.Len())
	}
	g.end()
	if want := uint64(3 * maxKinds * (perSecond + 3)); h.sum() != want {
		t.Errorf("facts stand for %d, of %d", h.sum(), want)
	}
}

func TestEdges(t *testing.T) {
	var h held
	c := clock{time.Unix(1000, 0)}
	e := newEdges(h.emit)
	for range 100 { // goes on for longer than quiet
		e.happened("lost", 5, c.t, newFact())
		c.pass(quiet / 2)
		e.tick(c.t)
	}
	if len(h.facts) != 1 || h.facts[0].state != stateBegin || h.facts[0].count != 5 {
		t.Fatalf("%+v", h.facts)
	}
	c.pass(quiet)
	e.tick(c.t)
	if len(h.facts) != 2 || h.facts[1].state != stateEnd || h.sum() != 500 {
		t.Fatalf("%+v", h.facts)
	}
	e.happened("lost", 1, c.t, newFact())
	e.end()
	if len(h.facts) != 4 || h.sum() != 501 {
		t.Errorf("%+v", h.facts)
	}
}

// A condition is reported when it changes, and does not end by itself.
func TestEdgeSet(t *testing.T) {
	var h held
	e := newEdges(h.emit)
	for _, holds := range []bool{false, true, true, false, false, true} {
		e.set("sampling", holds, newFact())
		e.tick(time.Unix(1e6, 0))
	}
	var states []string
	for _, f := range h.facts {
		states = append(states, f.state)
	}
	if len(states) != 3 || states[0] != stateBegin || states[1] != stateEnd || states[2] != stateBegin {
		t.Errorf("%v", states)
	}
}

func TestEdgesBounded(t *testing.T) {
	var h held
	e := newEdges(h.emit)
	now := time.Unix(1000, 0)
	for i := range 3 * maxEdges {
		e.happened(string(rune('a'+i)), 1, now, newFact())
		e.happened(string(rune('a'+i)), 2, now, newFact())
	}
	if e.open.Len() != maxEdges {
		t.Errorf("%d edges are kept", e.open.Len())
	}
	e.end()
	if h.sum() != 3*3*maxEdges {
		t.Errorf("facts stand for %d", h.sum())
	}
}

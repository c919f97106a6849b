package otlp

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/lru"
)

const (
	// quiet is how long no loss may happen before a loss is over.
	quiet = 10 * time.Second
	// maxEdges limits the causes that are tracked at a time.
	maxEdges = 64
)

// The states of an edge, as events have them.
const (
	stateBegin = "begin"
	stateEnd   = "end"
)

// edges reports when something begins and when it ends, and nothing in between: the event
// of the end has the count since the beginning was reported.
type edges struct {
	emit func(fact)
	open *lru.Map[string, *edge]
}

type edge struct {
	fact fact // at the beginning
	last time.Time
	more uint64
	// fades: it ends by itself when it is quiet; otherwise a caller ends it.
	fades bool
}

func newEdges(emit func(fact)) *edges {
	return &edges{emit: emit, open: lru.New[string, *edge](maxEdges)}
}

// happened counts n of what key names; it ends when there were none for some time.
func (e *edges) happened(key string, n uint64, now time.Time, f fact) {
	if x, ok := e.open.Get(key); ok {
		x.more += n
		x.last = now
		return
	}
	f.count = n
	e.begin(key, &edge{fact: f, last: now, fades: true})
}

// set sets whether a condition holds.
func (e *edges) set(key string, holds bool, f fact) {
	x, ok := e.open.Get(key)
	switch {
	case holds && !ok:
		e.begin(key, &edge{fact: f})
	case !holds && ok:
		e.over(key, x)
	}
}

func (e *edges) begin(key string, x *edge) {
	if _, forgotten, evicted := e.open.Put(key, x); evicted {
		e.reportEnd(forgotten)
	}
	x.fact.state = stateBegin
	e.emit(x.fact)
}

func (e *edges) over(key string, x *edge) {
	e.open.Delete(key)
	e.reportEnd(x)
}

// reportEnd: an end is good news, unless more was counted since the beginning.
func (e *edges) reportEnd(x *edge) {
	f := x.fact
	f.mono, f.state, f.count = 0, stateEnd, x.more
	if x.more == 0 {
		f.severity = info
	}
	e.emit(f)
}

// tick ends everything that was quiet long enough.
func (e *edges) tick(now time.Time) {
	for key, x := range e.open.All() {
		if x.fades && now.Sub(x.last) >= quiet {
			e.over(key, x)
		}
	}
}

// end reports the counts of everything that has not ended.
func (e *edges) end() {
	for key, x := range e.open.All() {
		if x.fades {
			e.over(key, x)
		}
	}
}

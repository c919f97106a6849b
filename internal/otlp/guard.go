package otlp

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const (
	// perSecond is how many facts of one kind are sent individually in a second.
	perSecond = 10
	// maxKinds limits the kinds that are tracked at a time.
	maxKinds = 1024
)

// kind is the common part of facts that are reported as one when there are many: the event,
// the process, and a number that distinguishes failures.
type kind struct {
	name   string
	comm   event.Comm
	place  event.Place
	detail uint64
}

// guard passes the first facts of a kind in each second, and reports the others as one: it
// drops no fact silently. Its memory is limited.
type guard struct {
	emit  func(fact)
	kinds *lru.Map[kind, *kindWindow]
	next  time.Time // when windows are checked again
}

// kindWindow counts the facts of one kind in the current second.
type kindWindow struct {
	until      time.Time
	allowed    int
	suppressed fact // the first one held back
	count      uint64
}

func newGuard(emit func(fact)) *guard {
	return &guard{emit: emit, kinds: lru.New[kind, *kindWindow](maxKinds)}
}

// admit emits the fact that build makes, or holds it back if many preceded it. It stands for
// n.
func (g *guard) admit(k kind, n uint64, now time.Time, build func() fact) {
	l, ok := g.kinds.Get(k)
	if !ok {
		l = &kindWindow{until: now.Add(time.Second)}
		if _, old, evicted := g.kinds.Put(k, l); evicted {
			g.release(old)
		}
	}
	if !now.Before(l.until) {
		g.release(l)
		l.until, l.allowed = now.Add(time.Second), 0
	}
	switch {
	case l.allowed < perSecond:
		l.allowed++
		f := build()
		f.count = n
		g.emit(f)
	case l.count == 0:
		l.suppressed, l.count = build(), n
	default:
		l.count += n
	}
}

// release reports what a window has held back.
func (g *guard) release(l *kindWindow) {
	if l.count == 0 {
		return
	}
	l.suppressed.count = l.count
	g.emit(l.suppressed)
	l.suppressed, l.count = fact{}, 0
}

// tick releases facts held back in seconds that are over. It may be called often.
func (g *guard) tick(now time.Time) {
	if now.Before(g.next) {
		return
	}
	g.next = now.Add(time.Second)
	for _, l := range g.kinds.All() {
		if !now.Before(l.until) {
			g.release(l)
		}
	}
}

// end releases all.
func (g *guard) end() {
	for _, l := range g.kinds.All() {
		g.release(l)
	}
}

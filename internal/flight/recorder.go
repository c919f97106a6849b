// Package flight keeps the last seconds of a run in memory, and gives them away when
// something has happened that makes them worth a look.
package flight

import (
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// MinBytes is the least Config.Bytes: some hundred events.
const MinBytes = 1 << 20

// Config says how much a Recorder keeps, what sets it off, and who gets it then.
type Config struct {
	// Keep is how long before a trigger, and After how long behind it events are given
	// away.
	Keep, After time.Duration
	// Bytes bounds the memory of the events; while some are given away, those that come
	// meanwhile may take as much again.
	Bytes int
	// On, if not nil, sets the recorder off when it holds for an event: so many Times, 1
	// if 0, within Within.
	On     *match.Expr
	OnText string // On as it was written
	Times  int
	Within time.Duration
	// Now is CLOCK_MONOTONIC in nanoseconds.
	Now func() uint64
	// Dump gets what was kept, in a goroutine of the recorder's, one at a time. It
	// returns where it has put it.
	Dump func(*Dump) (where string, err error)
}

// Result is how a dump ended. Done is closed then, and nobody reads the rest before.
type Result struct {
	Done  chan struct{}
	Where string
	Err   error
}

// Recorder is a sink that keeps events until something sets it off. Write and Flush
// belong to one goroutine; Request may be called from any.
type Recorder struct {
	cfg  Config
	ring *ring
	due  *due // nil while nothing has set it off
	hits []uint64
	// evictOldest is closed when whoever writes a dump is to stop.
	giveUp chan struct{}

	mu sync.Mutex
	// next is the result of the next dump, for all who have asked for it; nil for nobody.
	// times is how often they did since the run looked, triggeredBy by what the first.
	next        *Result
	times       uint64
	triggeredBy event.TriggerBy
	busy        bool // somebody writes a dump
	over        bool
	finished    sync.WaitGroup
}

// due is a dump that waits for what comes behind its trigger.
type due struct {
	trigger *event.Trigger
	until   uint64
}

// New returns a Recorder.
func New(cfg Config) *Recorder {
	cfg.Times = max(cfg.Times, 1)
	return &Recorder{cfg: cfg, ring: new(ring), giveUp: make(chan struct{})}
}

// Write implements sink.Sink. The end of a run is told to Close.
func (r *Recorder) Write(ev event.Event) error {
	if _, ok := ev.(*event.Summary); ok {
		return nil
	}
	r.ring.put(ev)
	if r.cfg.On != nil && r.cfg.On.Of(ev) == match.Yes && r.often() {
		r.set(event.ByExpression, 1)
	}
	r.forget(r.ring.last)
	if r.due != nil && r.ring.last >= r.due.until {
		r.handOver()
	}
	return nil
}

// often reports whether the expression has held often enough, with this event.
func (r *Recorder) often() bool {
	if r.cfg.Times == 1 {
		return true
	}
	r.hits = append(r.hits, r.ring.last)
	if len(r.hits) < r.cfg.Times {
		return false
	}
	quick := r.ring.last-r.hits[0] <= uint64(r.cfg.Within)
	r.hits = append(r.hits[:0], r.hits[1:]...)
	if quick {
		r.hits = r.hits[:0]
	}
	return quick
}

// set notes that something has set the recorder off, now and so many times.
func (r *Recorder) set(by event.TriggerBy, times uint64) {
	if r.due == nil {
		r.due = r.begin(by)
		times--
	}
	r.due.trigger.Again += times
}

// begin puts a trigger behind what has set the recorder off.
func (r *Recorder) begin(by event.TriggerBy) *due {
	now := max(r.ring.last, r.cfg.Now())
	r.forget(now)
	t := &event.Trigger{Mono: now, By: by, Requested: uint64(r.cfg.Keep)}
	if by == event.ByExpression {
		t.Expr = r.cfg.OnText
	}
	if oldest := r.ring.oldest(); oldest > 0 && oldest < now {
		t.Kept = now - oldest
	}
	r.ring.put(t)
	return &due{trigger: t, until: now + uint64(r.cfg.After)}
}

// forget releases what is too old, or too much. What has set the recorder off stays,
// with all behind it, as long as there is room.
func (r *Recorder) forget(now uint64) {
	if r.due != nil {
		now = r.due.trigger.Mono
	}
	for r.ring.events > 0 && r.ring.oldest()+uint64(r.cfg.Keep) < now {
		r.ring.drop()
	}
	for r.ring.events > 0 && r.ring.size() > r.cfg.Bytes {
		if len(r.ring.free) > 0 {
			r.ring.shrink(r.cfg.Bytes)
			continue
		}
		r.ring.drop()
	}
}

// Flush implements sink.Sink: it looks at the clock, and who has asked.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	times, by := r.times, r.triggeredBy
	r.times = 0
	r.mu.Unlock()
	if times > 0 {
		r.set(by, times)
	}
	if r.due != nil && r.cfg.Now() >= r.due.until {
		r.handOver()
	}
	return nil
}

// handOver gives away what was kept, unless somebody still writes what was before.
func (r *Recorder) handOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		return
	}
	r.busy = true
	d, asked := r.due, r.next
	d.trigger.Again += r.times
	r.next, r.times = nil, 0
	kept := &Dump{Trigger: d.trigger, GiveUp: r.giveUp, events: r.ring}
	r.ring, r.due = &ring{last: r.ring.last}, nil
	r.finished.Add(1)
	go func() {
		defer r.finished.Done()
		where, err := r.cfg.Dump(kept)
		r.mu.Lock()
		r.busy = false
		r.mu.Unlock()
		if asked != nil {
			asked.end(where, err)
		}
	}()
}

func (res *Result) end(where string, err error) {
	res.Where, res.Err = where, err
	close(res.Done)
}

// Request sets the recorder off. The result is there when all is written, which is after
// Config.After at the earliest; all who ask meanwhile have the same, so that they take no
// room.
func (r *Recorder) Request(by event.TriggerBy) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		over := &Result{Done: make(chan struct{})}
		over.end("", ErrOver)
		return over
	}
	if r.next == nil {
		r.next = &Result{Done: make(chan struct{})}
	}
	if r.times == 0 {
		r.triggeredBy = by
	}
	r.times++
	return r.next
}

// Close gives away at once what is due, and waits until it is written, or until evictOldest
// is closed and who writes has stopped. No event comes any more.
func (r *Recorder) Close(giveUp <-chan struct{}) error {
	written := make(chan struct{})
	defer close(written)
	go func() {
		select {
		case <-giveUp:
			close(r.giveUp)
		case <-written:
		}
	}()
	r.finished.Wait() // so that what is due can be handed over
	err := r.Flush()
	if r.due != nil {
		r.handOver()
	}
	r.mu.Lock()
	r.over = true
	late := r.next
	r.next = nil
	r.mu.Unlock()
	r.finished.Wait()
	if late != nil {
		late.end("", ErrOver)
	}
	return err
}

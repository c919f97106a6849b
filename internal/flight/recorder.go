// Package flight keeps the last seconds of a run in memory, and writes them out when a
// trigger fires.
package flight

import (
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// MinBytes is the smallest Config.Bytes: some hundred events.
const MinBytes = 1 << 20

// Config says how much a Recorder keeps, what triggers it, and where the events then go.
type Config struct {
	// Keep is how long before a trigger, and After how long after it, events are written
	// out.
	Keep, After time.Duration
	// Bytes limits the memory of the events; while a dump is written, the events of that
	// time may take as much again.
	Bytes int
	// On, if not nil, triggers the recorder when it is true for Times events, 1 if 0,
	// within Within.
	On     *match.Expr
	OnText string // the source text of On
	Times  int
	Within time.Duration
	// Now is CLOCK_MONOTONIC in nanoseconds.
	Now func() uint64
	// Dump gets the recorded events, in a goroutine of the recorder's, one call at a
	// time. It returns where it has put them.
	Dump func(*Dump) (where string, err error)
}

// Result is how a dump ended. The other fields must not be read before Done is closed.
type Result struct {
	Done  chan struct{}
	Where string
	Err   error
}

// Recorder is a sink that keeps events until a trigger. Write and Flush belong to one
// goroutine; Request may be called from any.
type Recorder struct {
	cfg  Config
	ring *ring
	due  *due // nil until a trigger
	hits []uint64
	// giveUp is closed to stop a dump that is being written.
	giveUp chan struct{}

	mu sync.Mutex
	// next is the result of the next dump, for all who have requested it; nil if there
	// are none. times is the number of requests since the run last looked, triggeredBy
	// the kind of the first.
	next        *Result
	times       uint64
	triggeredBy event.TriggerBy
	busy        bool // a dump is being written
	over        bool
	finished    sync.WaitGroup
}

// due is a dump that waits for the events after its trigger.
type due struct {
	trigger *event.Trigger
	until   uint64
}

// New returns a Recorder.
func New(cfg Config) *Recorder {
	cfg.Times = max(cfg.Times, 1)
	return &Recorder{cfg: cfg, ring: new(ring), giveUp: make(chan struct{})}
}

// Write implements sink.Sink. Close handles the end of a run.
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

// often reports whether the expression has been true often enough, this event included.
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

// set records a trigger, now and with its number of repetitions.
func (r *Recorder) set(by event.TriggerBy, times uint64) {
	if r.due == nil {
		r.due = r.begin(by)
		times--
	}
	r.due.trigger.Again += times
}

// begin puts the trigger event behind the event that caused it.
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

// forget drops events that are too old or take too much memory. It keeps the event that
// caused a trigger, with all that follow it, as long as there is room.
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

// Flush implements sink.Sink: it checks the clock and pending requests.
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

// handOver passes the kept events to a dump, unless an earlier dump is still being
// written.
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

// Request triggers the recorder. The result is ready when everything is written, after
// Config.After at the earliest; all requests of that time share one result, so they take
// no memory.
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

// Close writes a due dump at once, and waits until it is written, or until giveUp is
// closed and its writer has stopped. No event may follow.
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
	r.finished.Wait() // so that the due dump can be handed over
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

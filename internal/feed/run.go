package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Errors that refuse a reader.
var (
	errFull   = errors.New("as many read already as there may be")
	errClosed = errors.New("ktlstop serve ends")
)

// pausedError refuses readers for a while after a trace failed.
type pausedError struct {
	why       string
	remaining time.Duration
}

func (e *pausedError) Error() string {
	return fmt.Sprintf("there is no trace: %s; ask again in %v", e.why, e.remaining.Round(time.Second))
}

// Reasons for which a trace ended for its readers (event.Summary.Stopped), other than
// that they left.
const (
	// stoppedByEnd: ktlstop serve ends, and the last events of the trace are not sent.
	stoppedByEnd = "shutdown"
	// stoppedByFailure: the trace failed, and another one may follow.
	stoppedByFailure = "failed"
)

// Run traces while somebody reads, until ctx ends. When it returns, every reader has its
// summary, and no reader can join any more.
func (h *Hub) Run(ctx context.Context) {
	// Detaching the hooks may take longer than readers have at the end.
	stop := context.AfterFunc(ctx, h.shut)
	defer stop()
	defer h.attend()()
	for ctx.Err() == nil {
		select {
		case <-h.wanted:
			h.trace(ctx)
		case <-ctx.Done():
		}
	}
	h.shut()
}

// shut ends all readers, and accepts no more.
func (h *Hub) shut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.refuse(errClosed)
	h.end(stoppedByEnd)
}

// end sends all readers their summary, with the reason why the trace ended unless the
// summary has one.
func (h *Hub) end(why string) {
	now := h.cfg.Mono()
	for _, r := range h.readers {
		r.end(h.summary, why, now, h.spell)
	}
	h.readers = nil
}

// attend flushes Config.Also while no trace does, so that it sees the clock and its
// requests, until the returned function is called.
func (h *Hub) attend() (cease func()) {
	if h.cfg.Also == nil {
		return func() {}
	}
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(attention)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.flushAlso()
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-done }
}

// attention is how often Config.Also is flushed while no trace does.
const attention = 100 * time.Millisecond

// flushAlso holds the lock, as Write and Flush do: Also is used by one goroutine at a
// time.
func (h *Hub) flushAlso() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase == idle || h.phase == opening {
		_ = h.cfg.Also.Flush() // this would end a trace, and there is none
	}
}

// trace runs one trace, if it is still wanted.
func (h *Hub) trace(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !h.begin(cancel) {
		return
	}
	err := h.cfg.Trace(ctx, h.live, h)
	h.finish(err, ctx.Err() != nil)
}

func (h *Hub) begin(stop func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 && h.cfg.Also == nil {
		return false
	}
	h.phase, h.stop, h.summary = opening, stop, &event.Summary{}
	h.open = connections{}
	return true
}

// live lets the readers join that waited for the hooks.
func (h *Hub) live(missing []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.phase = live
	h.cfg.Host.Missing = missing
	h.summary.Missing = missing
	h.hostSentAt = h.cfg.Mono()
	for _, r := range h.waiting {
		h.join(r)
	}
	h.waiting = nil
	h.lingerIfIdle()
}

// finish ends all readers, and requests the next trace if a reader came too late for
// this one.
func (h *Hub) finish(err error, requested bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	why := ""
	if err != nil && !requested {
		why = stoppedByFailure
		h.pause, h.failure = time.Now().Add(h.cfg.Pause), err.Error()
		h.refuse(h.paused())
	}
	h.end(why)
	h.phase, h.stop = idle, nil
	h.open = connections{}
	switch {
	case h.cfg.Also != nil && h.pause.After(time.Now()):
		time.AfterFunc(time.Until(h.pause), h.want)
	case len(h.waiting) > 0 || h.cfg.Also != nil:
		h.want()
	}
}

func (h *Hub) want() {
	select {
	case h.wanted <- struct{}{}:
	default:
	}
}

// refuse turns away all waiting readers.
func (h *Hub) refuse(err error) {
	for _, r := range h.waiting {
		r.refused = err
		close(r.joined)
	}
	h.waiting = nil
}

// paused is nil if a trace can be started.
func (h *Hub) paused() error {
	if left := time.Until(h.pause); left > 0 {
		return &pausedError{h.failure, left}
	}
	return nil
}

// enter adds a reader, now or when the hooks are attached: then its channel joined is
// closed.
func (h *Hub) enter(r *reader) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return errClosed
	case len(h.readers)+len(h.waiting) >= h.cfg.Readers:
		return errFull
	case h.phase == live:
		h.join(r)
		return nil
	}
	if err := h.paused(); err != nil && h.phase == idle {
		return err
	}
	h.waiting = append(h.waiting, r)
	h.want()
	return nil
}

// join adds r to the readers. The reader's own goroutine lists the open connections
// (greet): to do that here would delay the run.
func (h *Hub) join(r *reader) {
	r.since = h.cfg.Mono()
	r.host = h.host(r.since)
	r.found = h.open.list()
	r.had.Reach(r.since)
	h.readers = append(h.readers, r)
	close(r.joined)
}

// leave removes a reader, wherever it is.
func (h *Hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers, h.waiting = without(h.readers, r), without(h.waiting, r)
	h.lingerIfIdle()
}

func without(all []*reader, r *reader) []*reader {
	for i := range all {
		if all[i] == r {
			return append(all[:i:i], all[i+1:]...)
		}
	}
	return all
}

// lingerIfIdle ends the trace after Linger if nobody reads by then.
func (h *Hub) lingerIfIdle() {
	if h.phase != live || len(h.readers) > 0 || h.cfg.Also != nil {
		return
	}
	time.AfterFunc(h.cfg.Linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.phase == live && len(h.readers) == 0 {
			h.phase = ending
			h.stop()
		}
	})
}

package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// queueConfig says how many records a queue holds, how many are sent at once, how long
// one waits for others, and how long one attempt to send may take.
type queueConfig struct {
	size, batch    int
	delay, timeout time.Duration
	// again is how long to wait before the second attempt; it doubles up to maxAgain.
	again time.Duration
}

const maxAgain = 30 * time.Second

// queue is an sdklog.Processor that never waits and counts what it loses. The one of the
// SDK gives a batch up when the receiver does not answer, and does not say so.
type queue struct {
	cfg      queueConfig
	exporter sdklog.Exporter
	lost     *losses
	teller   *teller
	// own makes a record of n that were lost. It is called on the queue's goroutine once
	// the receiver takes something again.
	own func(n uint64)

	mu      sync.Mutex
	waiting []sdklog.Record
	untold  uint64 // lost, and not yet given to own
	ended   bool

	full    chan struct{} // has a token when a batch is whole
	closing chan struct{}
	ctx     context.Context // ends when no more is to be sent
	stop    context.CancelFunc
	done    chan struct{}
}

func newQueue(exporter sdklog.Exporter, cfg queueConfig, lost *losses, t *teller) *queue {
	q := &queue{cfg: cfg, exporter: exporter, lost: lost, teller: t,
		full: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
	q.ctx, q.stop = context.WithCancel(context.Background())
	return q
}

// start begins to send; own is what the field says.
func (q *queue) start(own func(uint64)) {
	q.own = own
	go q.run()
}

// Enabled implements sdklog.Processor.
func (q *queue) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// always marks the context of the record that tells of losses: it has room, since there
// is one at a time.
type always struct{}

// OnEmit implements sdklog.Processor. What finds no room is the newest: what came first
// explains it.
func (q *queue) OnEmit(ctx context.Context, r *sdklog.Record) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || len(q.waiting) >= q.cfg.size && ctx.Value(always{}) == nil {
		q.lose(1)
		return nil
	}
	q.waiting = append(q.waiting, r.Clone())
	if len(q.waiting) >= q.cfg.batch {
		select {
		case q.full <- struct{}{}:
		default:
		}
	}
	return nil
}

// lose counts, with the lock held.
func (q *queue) lose(n int) {
	q.untold += uint64(n)
	q.lost.logs.Add(uint64(n))
}

// ForceFlush implements sdklog.Processor: nobody waits for a receiver.
func (q *queue) ForceFlush(context.Context) error { return nil }

// UndeliveredError says how many events were lost at the end.
type UndeliveredError struct{ Events int }

func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("%d events were not delivered by OTLP: the receiver did not take them in time", e.Events)
}

// Shutdown implements sdklog.Processor: it sends what waits, until ctx ends. What is left
// then is lost, and an *UndeliveredError.
func (q *queue) Shutdown(ctx context.Context) error {
	close(q.closing)
	select {
	case <-q.done:
	case <-ctx.Done():
		q.stop() // ends the attempt that is under way
		<-q.done
	}
	q.stop()
	return errors.Join(q.giveUp(), q.exporter.Shutdown(ctx))
}

func (q *queue) giveUp() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.lose(len(q.waiting))
	q.waiting = nil
	if q.untold == 0 {
		return nil
	}
	return &UndeliveredError{Events: int(q.untold)}
}

func (q *queue) run() {
	defer close(q.done)
	tick := time.NewTicker(q.cfg.delay)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-q.full:
		case <-q.closing:
			q.drain()
			return
		}
		q.drain()
	}
}

// drain sends what waits, and stops early where the receiver takes nothing at the end.
func (q *queue) drain() {
	for batch := q.take(); len(batch) > 0 && q.deliver(batch); batch = q.take() {
	}
}

func (q *queue) take() []sdklog.Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), q.cfg.batch)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil // and with it what was sent
	}
	return batch
}

// deliver sends a batch, for as long as there is hope. It says whether to go on.
func (q *queue) deliver(batch []sdklog.Record) bool {
	for wait := q.cfg.again; ; wait = min(2*wait, maxAgain) {
		err := q.attempt(batch)
		if err == nil {
			q.confess()
			return true
		}
		q.teller.Handle(err)
		if !passing(err) {
			q.refused(batch, err)
			return true
		}
		if !q.pause(wait) {
			q.refused(batch, err)
			return false
		}
	}
}

func (q *queue) attempt(batch []sdklog.Record) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.cfg.timeout)
	defer cancel()
	return q.exporter.Export(ctx, batch)
}

// passing says whether an attempt failed by what may be over soon: no connection, or no
// answer. What a receiver answers for good is another error; where it asks for patience
// (429, 502, 503, 504) the exporter tries again by itself until its time is over.
func passing(err error) bool {
	var request *url.Error
	var network *net.OpError
	return errors.As(err, &request) || errors.As(err, &network) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// pause waits before another attempt, and returns false at the end, when there is none.
func (q *queue) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-q.closing:
		return false
	}
}

func (q *queue) refused(batch []sdklog.Record, err error) {
	n := len(batch)
	if rejected, ok := partial(err); ok {
		n = min(n, rejected)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.lose(n)
}

// confess tells the receiver, which takes something, of what it did not get.
func (q *queue) confess() {
	q.mu.Lock()
	n := q.untold
	q.untold = 0
	q.mu.Unlock()
	if n > 0 {
		q.own(n)
	}
}

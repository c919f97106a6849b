package otlp

import (
	"context"
	"fmt"
	"sync"
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
)

// queueConfig says how many records a queue holds, how many are sent at once, how long a
// record waits for others, and how long one attempt to send may take.
type queueConfig struct {
	size, batch    int
	delay, timeout time.Duration
	// again is the wait before the second attempt; it doubles up to maxAgain.
	again time.Duration
}

// queue is between the producers of records and the receiver, which may not accept any for a
// long time. It is bounded, and counts what it loses. Only shutdown waits.
type queue struct {
	cfg      queueConfig
	send     func(context.Context, []*logs.LogRecord) error
	lost     *losses
	reporter *reporter
	// lossRecord makes a record that n were lost: it is sent when the receiver accepts data
	// again.
	lossRecord func(n uint64) *logs.LogRecord

	mu         sync.Mutex
	waiting    []*logs.LogRecord
	unreported uint64 // lost, and not reported by a lossRecord yet
	ended      bool

	full    chan struct{} // has a token when a batch is whole
	closing chan struct{}
	ctx     context.Context // ends when no more may be sent
	stop    context.CancelFunc
	done    chan struct{}
}

// put adds a record. If there is no room, it drops the new one: the earlier ones explain it.
func (q *queue) put(r *logs.LogRecord) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended || len(q.waiting) >= q.cfg.size {
		q.lose(1)
		return
	}
	q.waiting = append(q.waiting, r)
	if len(q.waiting) >= q.cfg.batch {
		select {
		case q.full <- struct{}{}:
		default:
		}
	}
}

// lose counts lost records. The caller holds the lock.
func (q *queue) lose(n int) {
	q.unreported += uint64(n)
	q.lost.logs.Add(uint64(n))
}

// UndeliveredError has the number of events that were lost at the end and that the receiver
// has no report of.
type UndeliveredError struct{ Events uint64 }

func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("%d events were not delivered by OTLP: the receiver did not take them", e.Events)
}

// shutdown sends queued records, until ctx ends. The rest is lost, and the error is an
// *UndeliveredError.
func (q *queue) shutdown(ctx context.Context) error {
	close(q.closing)
	select {
	case <-q.done:
	case <-ctx.Done():
		q.stop() // ends the attempt in progress
		<-q.done
	}
	q.stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.lose(len(q.waiting))
	q.waiting = nil
	if q.unreported == 0 {
		return nil
	}
	return &UndeliveredError{Events: q.unreported}
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

// drain sends queued records, and stops early if the receiver accepts nothing at the end.
func (q *queue) drain() {
	for batch := q.dequeue(); len(batch) > 0 && q.deliver(batch); batch = q.dequeue() {
	}
}

func (q *queue) dequeue() []*logs.LogRecord {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), q.cfg.batch)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// deliver sends a batch, with retries while the failure may pass; when the end begins, it
// tries once more at once. It reports whether to go on.
func (q *queue) deliver(batch []*logs.LogRecord) bool {
	for pause := q.cfg.again; ; pause = min(2*pause, maxAgain) {
		last := q.ending()
		err := q.attempt(batch)
		if err == nil {
			q.reportLoss()
			return true
		}
		q.reporter.report(err.Error())
		again := passing(err)
		if again && !last {
			q.pause(wait(err, pause))
			continue
		}
		q.mu.Lock()
		q.lose(undelivered(err, len(batch)))
		q.mu.Unlock()
		return !again
	}
}

func (q *queue) ending() bool {
	select {
	case <-q.closing:
		return true
	default:
		return false
	}
}

func (q *queue) attempt(batch []*logs.LogRecord) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.cfg.timeout)
	defer cancel()
	return q.send(ctx, batch)
}

// pause waits before another attempt, but not once the end has begun.
func (q *queue) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-q.closing:
	}
}

// reportLoss reports the losses to the receiver, which accepts data again. There is room for
// that: it is one record for each batch that was sent.
func (q *queue) reportLoss() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unreported > 0 {
		q.waiting = append(q.waiting, q.lossRecord(q.unreported))
		q.unreported = 0
	}
}

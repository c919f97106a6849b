package sink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Rank determines what a full Queue still accepts.
type Rank uint8

const (
	// Ordinary is for frequent events. They are dropped first.
	Ordinary Rank = iota
	// Rare is for events that explain others. A part of the queue is reserved for them.
	Rare
	// Last is for what is written once and always has room: headers and summaries.
	Last
)

// DefaultQueueBytes is the default of QueueConfig.Bytes.
const DefaultQueueBytes = 8 << 20

// pieceBytes is the largest write. Less than that is written only on Flush.
const pieceBytes = 64 << 10

// ErrStopped is the error of a Queue whose Close gave up.
var ErrStopped = errors.New("the output was given up")

// UnwrittenError is the error of Queue.Close if it gave up: how much was not written. A write
// that was in progress counts in full.
type UnwrittenError struct{ Lines, Bytes int }

func (e *UnwrittenError) Error() string {
	return fmt.Sprintf("%d lines, %d bytes, were not written: they were not taken in time", e.Lines, e.Bytes)
}

// QueueConfig sets the size of a Queue and what it does when it is full.
type QueueConfig struct {
	// Bytes is the room for Ordinary units; DefaultQueueBytes if 0.
	Bytes int
	// Wait, if not nil, makes Put wait for room until the channel is closed. Otherwise
	// Put rejects what finds no room.
	Wait <-chan struct{}
}

// Queue decouples writers from a file that can block for any time. It accepts units as a
// whole: a line is never cut. Its memory is bounded. Besides Close, only Put can block, and
// only with QueueConfig.Wait. Any goroutine may call the methods, except that Put of a Queue
// with Wait must be called by one goroutine.
type Queue struct {
	limits [Rare + 1]int
	stop   <-chan struct{}
	wake   chan struct{} // has a token if the writer may have work
	space  chan struct{} // has a token if there may be room
	done   chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	w       io.WriteCloser // the writer's own while it writes
	ring    []byte
	start   int    // of what is to be written, in ring
	in, out uint64 // bytes put, and bytes written
	flushed uint64 // of those put, what is not to wait for more
	next    []turn
	closing bool
	err     error
}

// turn is the position from which the bytes go to another file.
type turn struct {
	at   uint64
	open func() (io.WriteCloser, error)
}

// NewQueue returns a Queue that writes to w, and closes it at its end.
func NewQueue(w io.WriteCloser, cfg QueueConfig) *Queue {
	if cfg.Bytes <= 0 {
		cfg.Bytes = DefaultQueueBytes
	}
	q := &Queue{limits: [...]int{cfg.Bytes, cfg.Bytes + cfg.Bytes/8}, stop: cfg.Wait, w: w,
		wake: make(chan struct{}, 1), space: make(chan struct{}, 1), done: make(chan struct{})}
	go q.drain()
	return q
}

// Put accepts a unit as a whole, or returns false if there is no room for it. The error is
// that of the file.
func (q *Queue) Put(unit []byte, rank Rank) (accepted bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && !q.fits(len(unit), rank) {
		if q.stop == nil {
			return false, nil
		}
		if err := q.await(); err != nil {
			return false, err
		}
	}
	if q.err != nil {
		return false, q.err
	}
	before := q.used()
	q.append(unit)
	if before < pieceBytes && q.used() >= pieceBytes {
		token(q.wake)
	}
	return true, nil
}

// await releases the lock until there may be room.
func (q *Queue) await() error {
	q.flushed = q.in
	token(q.wake)
	q.mu.Unlock()
	defer q.mu.Lock()
	select {
	case <-q.space:
		return nil
	case <-q.stop:
		return ErrStopped
	}
}

// Fits reports whether Put would accept a unit of so many bytes now.
func (q *Queue) Fits(n int, rank Rank) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fits(n, rank)
}

// fits also accepts a unit larger than the queue if the queue is empty.
func (q *Queue) fits(n int, rank Rank) bool {
	used := q.used()
	return rank == Last || used == 0 || used+n <= q.limits[rank]
}

// Relaxed reports that a queue that was full has room for more than one line again.
func (q *Queue) Relaxed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used() <= q.limits[Ordinary]/2
}

// Then makes the following units go to another file, which the queue opens after it has
// written and closed the current one.
func (q *Queue) Then(open func() (io.WriteCloser, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = append(q.next, turn{at: q.in, open: open})
}

// Flush starts to write what the queue holds, and does not wait. The error is one of an
// earlier write.
func (q *Queue) Flush() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used() > 0 {
		q.flushed = q.in
		token(q.wake)
	}
	return q.err
}

// Close waits until everything is written and the file is closed, or until giveUp is closed.
// The error is then an *UnwrittenError if anything is not written. Close may be called more
// than once.
func (q *Queue) Close(giveUp <-chan struct{}) error {
	q.mu.Lock()
	q.closing, q.flushed = true, q.in
	token(q.wake)
	q.mu.Unlock()
	select {
	case <-q.done:
		return q.failed()
	case <-giveUp:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil || q.used() == 0 {
		return q.err
	}
	left := &UnwrittenError{Lines: q.lines(), Bytes: q.used()}
	q.err = ErrStopped
	return left
}

func (q *Queue) failed() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

func (q *Queue) used() int { return int(q.in - q.out) }

// append copies a unit into the ring.
func (q *Queue) append(unit []byte) {
	if q.used() == 0 {
		q.start = 0
	}
	if need := q.used() + len(unit); need >= len(q.ring) {
		q.grow(need)
	}
	end := (q.start + q.used()) % len(q.ring)
	n := copy(q.ring[end:], unit)
	copy(q.ring, unit[n:])
	q.in += uint64(len(unit))
}

// grow allocates a larger ring. The writer, which reads without the lock, continues to read
// the old one.
func (q *Queue) grow(need int) {
	ring := make([]byte, max(need, min(2*len(q.ring), q.limits[Rare]), pieceBytes))
	first, rest := q.buffered()
	n := copy(ring, first)
	copy(ring[n:], rest)
	q.ring, q.start = ring, 0
}

// buffered returns what is to be written, in two parts.
func (q *Queue) buffered() (first, rest []byte) {
	first = q.ring[q.start:min(q.start+q.used(), len(q.ring))]
	return first, q.ring[:q.used()-len(first)]
}

// lines counts what is to be written.
func (q *Queue) lines() int {
	first, rest := q.buffered()
	return bytes.Count(first, []byte{'\n'}) + bytes.Count(rest, []byte{'\n'})
}

// drain is the writer.
func (q *Queue) drain() {
	defer close(q.done)
	for {
		w, piece := q.piece()
		if piece == nil {
			break
		}
		n, err := w.Write(piece)
		q.wrote(n, err)
	}
	err := q.w.Close() // no other goroutine changes w
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	token(q.space) // who waits for room sees the error
}

// piece waits for something to write. It is nil at the end.
func (q *Queue) piece() (io.Writer, []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil {
		if len(q.next) > 0 && q.next[0].at == q.out {
			q.turn()
			continue
		}
		if q.used() >= pieceBytes || q.flushed > q.out {
			n := min(q.used(), pieceBytes, len(q.ring)-q.start)
			if len(q.next) > 0 {
				n = min(n, int(q.next[0].at-q.out))
			}
			return q.w, q.ring[q.start : q.start+n]
		}
		if q.closing {
			return nil, nil
		}
		q.mu.Unlock()
		<-q.wake
		q.mu.Lock()
	}
	return nil, nil
}

// turn opens the next file, without the lock, since that can take long.
func (q *Queue) turn() {
	open := q.next[0].open
	q.next = append(q.next[:0], q.next[1:]...)
	q.mu.Unlock()
	err := q.w.Close()
	w, openErr := open()
	q.mu.Lock()
	if openErr == nil {
		q.w = w
	}
	if err = errors.Join(err, openErr); err != nil && q.err == nil {
		q.err = err
	}
}

// wrote enters that the file accepted bytes.
func (q *Queue) wrote(n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out += uint64(n)
	q.start = (q.start + n) % len(q.ring)
	if err != nil && q.err == nil {
		q.err = err
	}
	token(q.space)
}

// token leaves a token if there is none.
func token(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

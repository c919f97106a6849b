// Package ending ends a program at signals, whatever it is waiting for.
package ending

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A run ends within two seconds of a signal, whatever its reader does.
const (
	outputGrace = 1500 * time.Millisecond // for the outputs to take what is left
	callGrace   = 500 * time.Millisecond  // for the rest
	// graceTime is what an output has at least, and what is to be undone.
	graceTime = 300 * time.Millisecond
	// lateTime is what there is for each step where detaching the hooks has
	// taken all the time.
	lateTime = 2 * time.Second
)

// Killed is what shells call the status of a program that SIGINT ended.
const Killed = 128 + int(syscall.SIGINT)

// Ending is how a program ends at signals: the first asks for it, and what does
// not follow in time is left behind; the second ends it at once. All methods may be
// called from any goroutine.
type Ending struct {
	late   func()
	exit   func(status int)
	ctx    context.Context // ends with the first signal
	cancel context.CancelFunc
	at     time.Time    // of the first signal; read behind ctx
	until  atomic.Int64 // when the last output gives up, in Unix nanoseconds

	work  sync.Mutex
	idle  sync.Cond // with work: busy may be 0
	busy  int       // calls of Busy that have not returned
	began int       // calls of Busy

	mu   sync.Mutex
	undo map[int]func() // what the process's end does not undo
	next int
}

// New returns an Ending that waits for no signal yet. late is called where a run
// has not ended in time, before exit, which ends the process.
func New(late func(), exit func(status int)) *Ending {
	e := &Ending{late: late, exit: exit, undo: map[int]func(){}}
	e.idle.L = &e.work
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// Context ends with the first signal.
func (e *Ending) Context() context.Context { return e.ctx }

// Follow obeys signals until the program ends.
func (e *Ending) Follow(signals <-chan os.Signal) {
	<-signals
	e.at = time.Now()
	e.cancel()
	late := make(chan struct{})
	go func() {
		time.Sleep(outputGrace)
		e.waitIdle()
		close(late)
	}()
	select {
	case <-signals:
		e.exitNow(Killed)
	case <-late:
		e.late()
		e.exitNow(1)
	}
}

// waitIdle waits until nothing has gone on for a while but waiting for readers.
// Detaching takes the kernel as long as it takes.
func (e *Ending) waitIdle() {
	for rest := callGrace; ; rest = lateTime {
		began := e.waitCalls()
		if time.Since(e.at) > outputGrace+callGrace {
			rest = lateTime
		}
		time.Sleep(rest)
		// An output that has just given up has a word to say about it.
		if e.waitCalls() == began && time.Now().UnixNano() > e.until.Load()+int64(callGrace/2) {
			return
		}
	}
}

// waitCalls waits until no call of Busy is left, and returns how many there were.
func (e *Ending) waitCalls() int {
	e.work.Lock()
	defer e.work.Unlock()
	for e.busy > 0 {
		e.idle.Wait()
	}
	return e.began
}

// Busy is a stretch of the run that nobody can hold up who reads its output.
func (e *Ending) Busy(run func() error) error {
	e.count(1)
	defer e.count(-1)
	return run()
}

func (e *Ending) count(n int) {
	e.work.Lock()
	defer e.work.Unlock()
	e.busy += n
	e.began += max(n, 0)
	e.idle.Broadcast()
}

// GiveUp is closed when outputs have had their time after a signal. Without a
// signal they have as long as they like.
func (e *Ending) GiveUp() <-chan struct{} {
	c := make(chan struct{})
	context.AfterFunc(e.ctx, func() {
		left := max(graceTime, outputGrace-time.Since(e.at))
		if time.Since(e.at) > outputGrace {
			left = lateTime
		}
		e.until.Store(time.Now().Add(left).UnixNano())
		time.AfterFunc(left, func() { close(c) })
	})
	return c
}

// AtExit has undo called where the program ends in the midst of something, from
// any goroutine. done is called when there is nothing more to undo.
func (e *Ending) AtExit(undo func()) (done func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := e.next
	e.next++
	e.undo[id] = undo
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.undo, id)
	}
}

// exitNow ends the program now. What is to be undone gets a moment.
func (e *Ending) exitNow(status int) {
	undone := make(chan struct{})
	go func() {
		e.mu.Lock() // and nothing is undone twice
		for _, undo := range e.undo {
			undo()
		}
		close(undone)
	}()
	select {
	case <-undone:
	case <-time.After(graceTime):
	}
	e.exit(status)
}

package main

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
)

// A run ends within two seconds of a signal, whatever its reader does.
const (
	takeTime = 1500 * time.Millisecond // for the outputs to take what is left
	restTime = 500 * time.Millisecond  // for the rest
	// graceTime is what an output has at least, and a last word.
	graceTime = 300 * time.Millisecond
	// lateTime is what there is for each step where detaching the hooks has
	// taken all the time.
	lateTime = 2 * time.Second
)

// statusKilled is what shells call a program that SIGINT ended.
const statusKilled = 128 + int(syscall.SIGINT)

// ending is how the program ends at signals: the first asks for it, and what does
// not follow in time is left behind; the second ends it at once. Hooks end with
// the process.
type ending struct {
	ctx    context.Context // ends with the first signal
	cancel context.CancelFunc
	at     time.Time    // of the first signal; read behind ctx
	work   sync.RWMutex // held for reading in busy
	mu     sync.Mutex
	began  atomic.Int64   // calls of busy
	until  atomic.Int64   // when the last output gives up, in Unix nanoseconds
	undo   map[int]func() // what the process's end does not undo
	next   int
}

// endings is the program's. Signals are the whole process's as well.
var endings = newEnding()

func newEnding() *ending {
	e := &ending{undo: map[int]func(){}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// follow obeys signals until the program ends.
func (e *ending) follow(signals <-chan os.Signal) {
	<-signals
	e.at = time.Now()
	e.cancel()
	late := make(chan struct{})
	go func() {
		time.Sleep(takeTime)
		e.settle()
		close(late)
	}()
	select {
	case <-signals:
		e.die(statusKilled)
	case <-late:
		console.say("ended by the signal, without what is not done by now")
		e.die(1)
	}
}

// settle waits until nothing has gone on for a while but waiting for readers.
// Detaching takes the kernel as long as it takes.
func (e *ending) settle() {
	for rest := restTime; ; rest = lateTime {
		began := e.began.Load()
		e.work.Lock()
		e.work.Unlock() // it was free
		if time.Since(e.at) > takeTime+restTime {
			rest = lateTime
		}
		time.Sleep(rest)
		// An output that has just given up has a word to say about it.
		if e.began.Load() == began && time.Now().UnixNano() > e.until.Load()+int64(restTime/2) {
			return
		}
	}
}

// busy is a stretch of the run that nobody can hold up who reads its output.
func (e *ending) busy(run func() error) error {
	e.began.Add(1)
	e.work.RLock()
	defer e.work.RUnlock()
	return run()
}

// giveUp is closed when outputs have had their time after a signal. Without a
// signal they have as long as they like.
func (e *ending) giveUp() <-chan struct{} {
	c := make(chan struct{})
	context.AfterFunc(e.ctx, func() {
		left := max(graceTime, takeTime-time.Since(e.at))
		if time.Since(e.at) > takeTime {
			left = lateTime
		}
		e.until.Store(time.Now().Add(left).UnixNano())
		time.AfterFunc(left, func() { close(c) })
	})
	return c
}

// atExit has undo called where the program ends in the midst of something, from
// any goroutine. done is called when there is nothing more to undo.
func (e *ending) atExit(undo func()) (done func()) {
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

// die ends the program now. What is to be undone gets a moment.
func (e *ending) die(status int) {
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
	console.close()
	os.Exit(status)
}

// console is standard error, which may not be read either.
var console = &stderr{}

// stderr is made when somebody has something to say.
type stderr struct {
	once sync.Once
	q    *sink.Queue
}

func (c *stderr) queue() *sink.Queue {
	c.once.Do(func() { c.q = sink.NewQueue(keepOpen{os.Stderr}, sink.QueueConfig{Bytes: 64 << 10}) })
	return c.q
}

// say writes a line. Nobody waits for it, and nobody is told if it fails: there
// is no better place to say so.
func (c *stderr) say(text string) {
	c.line("ktlstop: " + sink.Sanitize(text))
}

// line is say without the program's name. The text must be fit for a terminal.
func (c *stderr) line(text string) { c.put(text + "\n") }

// put is line for what is not a line.
func (c *stderr) put(text string) {
	_, _ = c.queue().Put([]byte(text), sink.Rare)
	_ = c.queue().Flush()
}

// close gives what was said a moment to be read.
func (c *stderr) close() {
	soon := make(chan struct{})
	timer := time.AfterFunc(graceTime, func() { close(soon) })
	defer timer.Stop()
	_ = c.queue().Close(soon)
}

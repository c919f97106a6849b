package main

import (
	"os"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
)

// graceTime is what a last word has.
const graceTime = 300 * time.Millisecond

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

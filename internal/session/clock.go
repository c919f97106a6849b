package session

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ktlstop/ktlstop/pkg/loader"
)

const (
	// checkInterval is how often a Clock reads the offset again, in nanoseconds.
	checkInterval = uint64(time.Second)
	// noise is how much two readings of the two clocks can differ by chance. Following it
	// would reorder events of one second.
	noise = time.Millisecond
)

// Clock follows the wall clock during a run. CLOCK_MONOTONIC, the clock of events, stops
// during suspend and does not change when the wall clock is set, so that a Clock reads the
// difference each second. The kernel's clock discipline (adjtimex) speeds both clocks up or
// down alike: the difference changes only in steps. Clock implements sink.Clock. Any number
// of goroutines may use it.
type Clock struct {
	read   func() time.Duration
	report func(string) // nil for nobody

	offset atomic.Int64
	next   atomic.Uint64 // when the offset is read again

	mu    sync.Mutex
	steps uint64
	step  time.Duration // the last one
}

// NewClock returns a Clock that shows the current time. tell, if not nil, is called once
// for each step, in the goroutine that found it.
func NewClock(tell func(string)) *Clock {
	return newClock(loader.WallOffset, tell, loader.Monotonic())
}

func newClock(read func() time.Duration, tell func(string), mono uint64) *Clock {
	c := &Clock{read: read, report: tell}
	c.offset.Store(int64(read()))
	c.next.Store(mono + checkInterval)
	return c
}

// Offset returns the wall clock minus the clock of events, in nanoseconds, as it was at most
// a second before mono.
func (c *Clock) Offset(mono uint64) int64 {
	if mono < c.next.Load() {
		return c.offset.Load()
	}
	if step := c.check(mono); step != 0 && c.report != nil {
		c.report(stepText(step) + "; times are by the new clock from here on")
	}
	return c.offset.Load()
}

// check reads the offset again, and returns by how much it has changed.
func (c *Clock) check(mono uint64) (step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if mono < c.next.Load() { // somebody else has looked
		return 0
	}
	c.next.Store(mono + checkInterval)
	offset := c.read()
	step = offset - time.Duration(c.offset.Load())
	if step.Abs() < noise {
		return 0
	}
	c.offset.Store(int64(offset))
	c.step = step
	c.steps++
	return step
}

// note returns a line about the steps so far, "" if there were none.
func (c *Clock) note() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.steps {
	case 0:
		return ""
	case 1:
		return stepText(c.step) + "; all times are by the new clock"
	}
	return fmt.Sprintf("%s, and set or suspended %d times in all; all times are by the new clock", stepText(c.step), c.steps)
}

// stepText: a machine that slept looks like one whose clock was set forward.
func stepText(step time.Duration) string {
	by := step.Abs().Round(time.Millisecond)
	if step < 0 {
		return fmt.Sprintf("the clock was set back by %v", by)
	}
	return fmt.Sprintf("the clock was set forward by %v, or the machine slept so long", by)
}

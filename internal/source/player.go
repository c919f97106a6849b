package source

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Player hands the events of a Stream on at the pace of their monotonic times,
// Speed times as fast; at once where Speed is 0.
type Player struct {
	Reader Stream
	Speed  float64
	// Handle gets each event.
	Handle func(event.Event)
	// Second, if not nil, is called at the begin and for each second of recorded
	// time that is over, with the monotonic time; of a long silence only for its
	// end. It is there for a Player at once, which nobody can watch.
	Second func(mono uint64)

	mu     sync.Mutex
	begun  time.Time // when first was handed on; zero before
	first  uint64    // monotonic time of the first event
	last   uint64    // the latest of those handed on
	now    uint64    // the latest that Now has said
	over   bool
	second uint64 // when Second was called last
}

// Now is the monotonic time that the recording has got to, in nanoseconds. At
// the end it stands still, so that the last picture stays. It never goes back,
// not even at the end of a recording whose reading took longer than it lasted.
func (p *Player) Now() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = max(p.now, p.present())
	return p.now
}

func (p *Player) present() uint64 {
	switch {
	case p.Speed == 0 && p.Second != nil:
		return p.second // so that rates are over a whole second
	case p.begun.IsZero() || p.over || p.Speed == 0:
		return p.last
	}
	passed := float64(time.Since(p.begun)) * p.Speed
	return max(p.first+uint64(min(passed, math.MaxInt64)), p.last)
}

// Over says that all has been handed on.
func (p *Player) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// Play hands the events on until the file or ctx ends. It returns nil at the
// end of either, ErrCut where the file has no proper end.
func (p *Player) Play(ctx context.Context) error {
	defer func() { p.mu.Lock(); p.over = true; p.mu.Unlock() }()
	for n := 0; ; n++ {
		ev, err := p.Reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == 0:
			p.begin(ev.Time())
		}
		if !p.wait(ctx, ev.Time()) {
			return nil
		}
		if _, end := ev.(*event.Summary); !end || p.Speed > 0 {
			p.seconds(ev.Time())
			p.reach(ev.Time())
		}
		p.Handle(ev)
	}
}

func (p *Player) begin(mono uint64) {
	p.mu.Lock()
	p.begun, p.first, p.last, p.second = time.Now(), mono, mono, mono
	p.mu.Unlock()
	if p.Second != nil {
		p.Second(mono)
	}
}

// reach moves the clock on to an event; some come a little late.
func (p *Player) reach(mono uint64) {
	p.mu.Lock()
	p.last = max(p.last, mono)
	p.mu.Unlock()
}

// seconds reports the seconds that are over when mono is reached.
func (p *Player) seconds(mono uint64) {
	const second = uint64(time.Second)
	for p.Second != nil && mono > p.second && mono-p.second >= second {
		p.mu.Lock()
		p.second += max((mono-p.second)/second-1, 1) * second
		p.mu.Unlock()
		p.Second(p.second)
	}
}

// wait lets the time until mono pass, and reports whether to go on.
func (p *Player) wait(ctx context.Context, mono uint64) bool {
	if p.Speed > 0 && mono > p.first {
		due := float64(mono-p.first) / p.Speed
		timer := time.NewTimer(time.Until(p.begun.Add(time.Duration(min(due, math.MaxInt64/2)))))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

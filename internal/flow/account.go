package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Account counts the events that one reader got, for a summary of these alone: a reader that
// came late, or that reads several hosts, has no other summary. The zero value is empty. It
// is not safe for concurrent use.
type Account struct {
	first, last uint64
	totals      event.Totals
	skipped     [2]uint64
	sockets     uint64
	errors      uint64
	dropped     uint64
	lost        Losses
}

// Observe enters an event. begins says that it is the first one of its connection.
func (a *Account) Observe(ev event.Event, begins bool) {
	if begins {
		a.sockets++
	}
	switch ev := ev.(type) {
	case *event.Record:
		a.totals.Add(ev, 1)
		a.totals.Sampled[ev.Dir&1] += ev.Skipped
	case *event.Socket:
		for d, n := range ev.Skipped {
			a.totals.Sampled[d] += n
			a.skipped[d] += n
		}
	case *event.Error:
		a.errors += 1 + uint64(ev.More)
	case *event.Drop:
		a.dropped += ev.Count
	case *event.Lost:
		a.lost.Add(ev)
	}
	a.Reach(ev.Time())
}

// Found counts connections that were open when the reader started.
func (a *Account) Found(n uint64) { a.sockets += n }

// Reach enters that the monotonic time mono was reached.
func (a *Account) Reach(mono uint64) {
	if mono == 0 {
		return
	}
	if a.first == 0 {
		a.first = mono
	}
	a.last = max(a.last, mono)
}

// Records returns how many records were reported in both directions.
func (a *Account) Records() uint64 { return a.totals.Records[event.TX] + a.totals.Records[event.RX] }

// Summary returns the summary, from the first event to the last.
func (a *Account) Summary() *event.Summary {
	lost, _ := a.lost.Sum()
	return &event.Summary{Mono: a.last, Duration: time.Duration(a.last - min(a.last, a.first)), Totals: a.totals, Skipped: a.skipped,
		Sockets: a.sockets, Errors: a.errors, Dropped: a.dropped, Lost: lost}
}

package feed

import (
	"cmp"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// reader is one of those who are told of events. Its fields are the Hub's, under the
// Hub's lock; what it is told waits in its queue.
type reader struct {
	filter
	queue *sink.Queue
	out   *sink.Share
	had   flow.Account
	// joined is closed when it is among the readers, or refused, or ended before.
	joined  chan struct{}
	found   []connection // what was open when it joined
	since   uint64       // when it joined
	host    *event.Host  // whose events it reads
	refused error
	// ended is closed when it is told no more.
	ended chan struct{}
}

// put gives the reader an event. That a reader has gone away its handler sees.
func (r *reader) put(ev event.Event, begins bool, line []byte) {
	r.had.Observe(ev, begins)
	_ = r.out.Put(ev, line)
}

func (r *reader) flush(spell func(event.Event) []byte) {
	_ = r.out.Flush(r.withLosses(spell))
}

// withLosses tells the reader what it has lost.
func (r *reader) withLosses(spell func(event.Event) []byte) func(event.Event) error {
	return func(ev event.Event) error { return r.out.Put(ev, spell(ev)) }
}

// end tells the reader its summary, and that nothing follows: why, if of does not say it.
func (r *reader) end(of *event.Summary, why string, now uint64, spell func(event.Event) []byte) {
	r.had.Reach(now)
	s := r.had.Summary()
	s.Missing, s.Stopped, s.Unmatched, s.Tier = of.Missing, cmp.Or(of.Stopped, why), r.filtered, event.TierNone
	s, _ = r.out.End(s, r.withLosses(spell))
	_ = r.out.Put(s, spell(s))
	close(r.ended)
}

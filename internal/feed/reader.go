package feed

import (
	"cmp"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// reader is one reader of the feed. Its fields belong to the Hub and are under the Hub's
// lock; the events for it wait in its queue.
type reader struct {
	filter
	queue *sink.Queue
	out   *sink.Share
	had   flow.Account
	// joined is closed when it is one of the Hub's readers, or refused, or ended before.
	joined  chan struct{}
	found   []connection // what was open when it joined
	since   uint64       // when it joined
	host    *event.Host  // the host whose events it reads
	refused error
	// ended is closed when it gets no more events.
	ended chan struct{}
}

// put gives the reader an event. Its handler notices when the reader has gone away.
func (r *reader) put(ev event.Event, begins bool, line []byte) {
	r.had.Observe(ev, begins)
	_ = r.out.Put(ev, line)
}

func (r *reader) flush(spell func(event.Event) []byte) {
	_ = r.out.Flush(r.withLosses(spell))
}

// withLosses adds the lines that the reader has lost.
func (r *reader) withLosses(spell func(event.Event) []byte) func(event.Event) error {
	return func(ev event.Event) error { return r.out.Put(ev, spell(ev)) }
}

// end sends the reader its summary as the last line. why is the reason of the end, unless
// of has one.
func (r *reader) end(of *event.Summary, why string, now uint64, spell func(event.Event) []byte) {
	r.had.Reach(now)
	s := r.had.Summary()
	s.Missing, s.Stopped, s.Unmatched, s.Tier = of.Missing, cmp.Or(of.Stopped, why), r.filtered, event.TierNone
	s, _ = r.out.End(s, r.withLosses(spell))
	_ = r.out.Put(s, spell(s))
	close(r.ended)
}

package sink

import "github.com/ktlstop/ktlstop/pkg/event"

// Causes of event.Lost that a reader of a feed gets.
const (
	// CauseFeed counts records that a reader of a feed did not get because it was too
	// slow.
	CauseFeed = "feed_full"
	// CauseFeedEvents counts other events.
	CauseFeedEvents = "feed_full_events"
)

// Share is the output of one of many that are told the same: each line is spelled
// once for all, and each of them has a Queue and losses of its own.
type Share struct{ queueWriter }

// NewShare returns a Share that puts lines into q.
func NewShare(q *Queue) *Share {
	s := &Share{newQueueWriter(q)}
	s.reported = [2]event.Lost{{Cause: CauseFeed}, {Cause: CauseFeedEvents}}
	return s
}

// Put gives an event, spelled as line, to the reader, or counts it as lost to it.
// The error is that of the reader, who may be gone.
func (s *Share) Put(ev event.Event, line []byte) error { return s.put(ev, line) }

// Flush has what was put written, and hands what the reader has lost to tell, once
// there is room for more than that.
func (s *Share) Flush(tell func(event.Event) error) error {
	if s.q.Relaxed() {
		if err := s.losses(tell); err != nil {
			return err
		}
	}
	return s.q.Flush()
}

// End hands what the reader has lost to tell, and returns the summary as it holds for
// this reader.
func (s *Share) End(sum *event.Summary, tell func(event.Event) error) (*event.Summary, error) {
	return s.account(sum), s.losses(tell)
}

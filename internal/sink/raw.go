package sink

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// NewRaw returns a Sink that writes the payloads of records and nothing else.
// They are not fit for a terminal. All other events go to rest, with what the
// queue left out.
func NewRaw(q *Queue, rest Sink) Sink { return &raw{queueWriter: newQueueWriter(q), rest: rest} }

type raw struct {
	queueWriter
	rest Sink
}

// Write implements Sink.
func (r *raw) Write(ev event.Event) error {
	switch ev := ev.(type) {
	case *event.Record:
		return r.put(ev, ev.Payload)
	case *event.Summary:
		return r.rest.Write(r.account(ev))
	}
	return r.rest.Write(ev)
}

// Flush implements Sink.
func (r *raw) Flush() error {
	if err := r.losses(r.rest.Write); err != nil {
		return err
	}
	if err := r.rest.Flush(); err != nil {
		return err
	}
	return r.q.Flush()
}

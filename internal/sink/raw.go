package sink

import (
	"github.com/ktlstop/ktlstop/pkg/event"
)

// NewRaw returns a Sink that writes only the payloads of records, unescaped: they must not
// go to a terminal. All other events go to rest, with the losses of the queue.
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

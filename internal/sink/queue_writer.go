package sink

import (
	"maps"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Causes of event.Lost that a sink finds itself.
const (
	// CauseOutput counts records that a full Queue dropped.
	CauseOutput = "output_full"
	// CauseOutputEvents counts other events that it dropped.
	CauseOutputEvents = "output_full_events"
)

// queueWriter puts events into a Queue and reports which found no room.
type queueWriter struct {
	q        *Queue
	now      uint64        // of the last event that has a time
	totals   event.Totals  // of the records that were left out
	behind   [2]uint64     // records that sampling left out, for which those stood
	events   uint64        // others that were left out
	reported [2]event.Lost // what has been said of the two
}

func newQueueWriter(q *Queue) queueWriter {
	return queueWriter{q: q, reported: [2]event.Lost{{Cause: CauseOutput}, {Cause: CauseOutputEvents}}}
}

// rank reserves room for the events that explain others.
func rank(ev event.Event) Rank {
	switch ev := ev.(type) {
	case *event.Record:
		if ev.Type != event.ApplicationData {
			return Rare
		}
	case *event.Socket, *event.Error, *event.Drop, *event.Lost:
		return Rare
	case *event.Summary:
		return Last
	}
	return Ordinary
}

// put writes an encoded event, or counts it if there is no room.
func (o *queueWriter) put(ev event.Event, unit []byte) error {
	if len(unit) == 0 {
		return nil
	}
	o.observe(ev)
	accepted, err := o.q.Put(unit, rank(ev))
	if !accepted && err == nil {
		o.leaveOut(ev)
	}
	return err
}

// observe takes the time from an event.
func (o *queueWriter) observe(ev event.Event) {
	switch ev := ev.(type) {
	case *event.Record:
		o.now = ev.Mono
	case *event.Socket:
		o.now = ev.Mono
	}
}

func (o *queueWriter) leaveOut(ev event.Event) {
	if r, ok := ev.(*event.Record); ok && !r.Unsent { // those that the summary counts
		o.totals.Add(r, 1)
		o.behind[r.Dir&1] += r.Skipped
		return
	}
	o.events++
}

func (o *queueWriter) records() uint64 {
	return o.totals.Records[event.TX] + o.totals.Records[event.RX]
}

// losses reports the events that were dropped since its last call.
func (o *queueWriter) losses(write func(event.Event) error) error {
	for i, n := range [2]uint64{o.records(), o.events} {
		l := &o.reported[i]
		if n == l.Count {
			continue
		}
		err := write(&event.Lost{Mono: o.now, Cause: l.Cause, Count: n - l.Count})
		l.Count = n
		if err != nil {
			return err
		}
	}
	return nil
}

// account turns the summary of a run into that of this output.
func (o *queueWriter) account(s *event.Summary) *event.Summary {
	if o.records()+o.events == 0 {
		return s
	}
	own := *s
	own.Lost = maps.Clone(s.Lost)
	if own.Lost == nil {
		own.Lost = map[string]uint64{}
	}
	for i, n := range [2]uint64{o.records(), o.events} {
		if n > 0 {
			own.Lost[o.reported[i].Cause] += n
		}
	}
	for d := range own.Totals.Records {
		own.Totals.Records[d] -= min(own.Totals.Records[d], o.totals.Records[d])
		own.Totals.Bytes[d] -= min(own.Totals.Bytes[d], o.totals.Bytes[d])
		own.Skipped[d] += o.behind[d]
	}
	return &own
}

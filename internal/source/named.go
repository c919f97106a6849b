package source

import (
	"errors"
	"io"
	"math"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Named makes the events of one of several hosts fit to be put together: they say
// whose they are, and no connection of another host has their numbers.
type Named struct {
	// Host is what this one is called here.
	Host string
	// Number tells it from the others, from 1 on.
	Number uint64
	// Shift is what brings its monotonic times to the clock that all share, in
	// nanoseconds.
	Shift int64
}

// Rename changes an event, which nobody else may have.
func (n *Named) Rename(ev event.Event) {
	if c := connOf(ev); c != nil {
		n.conn(c)
	}
	switch ev := ev.(type) {
	case *event.Lost:
		if ev.Conn == nil {
			ev.Host = n.Host
		}
	case *event.Summary:
		ev.Host = n.Host
	case *event.Host:
		ev.Name = n.Host
	}
	if mono := monoOf(ev); mono != nil {
		*mono = n.time(*mono)
	}
}

// connOf is nil where an event is of no connection.
func connOf(ev event.Event) *event.Conn {
	switch ev := ev.(type) {
	case *event.Record:
		return &ev.Conn
	case *event.Socket:
		return &ev.Conn
	case *event.Error:
		return &ev.Conn
	case *event.Drop:
		return &ev.Conn
	case *event.Lost:
		return ev.Conn
	}
	return nil
}

// monoOf is where an event has its monotonic time.
func monoOf(ev event.Event) *uint64 {
	switch ev := ev.(type) {
	case *event.Record:
		return &ev.Mono
	case *event.Socket:
		return &ev.Mono
	case *event.Error:
		return &ev.Mono
	case *event.Drop:
		return &ev.Mono
	case *event.Lost:
		return &ev.Mono
	case *event.Trigger:
		return &ev.Mono
	case *event.Summary:
		return &ev.Mono
	case *event.Host:
		return &ev.Mono
	}
	return nil
}

// conn names a connection. Its id is a hash already (sock.id): what is mixed in keeps
// those of different hosts apart as well as those of one.
func (n *Named) conn(c *event.Conn) {
	const odd = 0x9e3779b97f4a7c15 // 2^64 over the golden ratio, as in Fibonacci hashing
	c.ID = max(c.ID^n.Number*odd, 1)
	c.Host = n.Host
}

// time is a time of the host by the clock that all share. What lies before that clock's
// begin happened at its begin.
func (n *Named) time(mono uint64) uint64 {
	if mono == 0 {
		return 0
	}
	if mono > math.MaxInt64 {
		mono = math.MaxInt64
	}
	t := int64(mono) + n.Shift
	switch {
	case n.Shift > 0 && t < 0:
		return math.MaxInt64
	case t < 1:
		return 1
	}
	return uint64(t)
}

// Stream is a source of events: Next returns them one by one, each of which is the
// caller's to keep, and io.EOF at the end.
type Stream interface {
	Next() (event.Event, error)
}

// oneClock is a Reader of a recording that may be of several hosts.
type oneClock struct{ *Reader }

// OneClock returns what r reads with the monotonic times of the first event's host.
func OneClock(r *Reader) Stream { return oneClock{r} }

func (c oneClock) Next() (event.Event, error) {
	ev, err := c.Reader.Next()
	if err != nil || event.HostOf(ev) == "" {
		return ev, err
	}
	n := Named{Shift: c.latest - c.offset}
	*monoOf(ev) = n.time(ev.Time())
	return ev, nil
}

// Merge puts the events of several recordings in the order of their wall clock times.
// Their monotonic times become those of the first recording.
type Merge struct {
	parts []*part
	err   error // of the first that could not be read to its end
}

type part struct {
	Named
	Stream
	next event.Event // nil at the end
}

// NewMerge returns a Merge of what readers read, each of a host that names has.
func NewMerge(readers []*Reader, names []string) *Merge {
	m := new(Merge)
	for i, r := range readers {
		p := &part{Named: Named{Host: names[i], Number: uint64(i) + 1, Shift: r.Offset() - readers[0].Offset()}, Stream: OneClock(r)}
		m.parts = append(m.parts, p)
		m.advance(p)
	}
	return m
}

// advance reads the next event of a part. Where one breaks off, the others go on.
func (m *Merge) advance(p *part) {
	ev, err := p.Stream.Next()
	if err != nil {
		p.next = nil
		if !errors.Is(err, io.EOF) && m.err == nil {
			m.err = err
		}
		return
	}
	if event.HostOf(ev) == "" || isHost(ev) {
		p.Rename(ev)
	} else { // it has a name already
		*monoOf(ev) = p.time(ev.Time())
	}
	p.next = ev
}

func isHost(ev event.Event) bool {
	_, ok := ev.(*event.Host)
	return ok
}

// Next returns the next event, and io.EOF when all recordings are over, or how the
// first one broke off that did.
func (m *Merge) Next() (event.Event, error) {
	var first *part
	for _, p := range m.parts {
		if p.next != nil && (first == nil || p.next.Time() < first.next.Time()) {
			first = p
		}
	}
	if first == nil {
		if m.err != nil {
			return nil, m.err
		}
		return nil, io.EOF
	}
	ev := first.next
	m.advance(first)
	return ev, nil
}

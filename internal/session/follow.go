package session

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/internal/source"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Follower writes the events of other hosts to a sink as they arrive, each with the time of
// its host. If there are several hosts, every event has the name of its host. At the end it
// writes a summary of each host's events.
type Follower struct {
	feeds    []Feed
	out      sink.Sink
	limit    uint64
	names    *Names
	accounts []account
	records  uint64
	offset   int64 // of the event that is written
}

// account counts the events of one host.
type account struct {
	flow.Account
	named source.Named
	host  *event.Host
	seen  *lru.Map[uint64, struct{}]
	shift int64 // offset of its last event
}

// NewFollower returns a Follower; Follow ends after limit records, if that is not 0.
func NewFollower(feeds []Feed, limit uint64) *Follower {
	f := &Follower{feeds: feeds, limit: limit, names: NewNames(len(feeds)), accounts: make([]account, len(feeds))}
	for i := range f.accounts {
		f.accounts[i].seen = lru.New[uint64, struct{}](event.MaxConns)
	}
	return f
}

// Offset implements sink.Clock for the event that is written.
func (f *Follower) Offset(uint64) int64 { return f.offset }

// hostEvent is an event that a host has reported.
type hostEvent struct {
	event.Event
	host   int
	offset int64
}

// Follow reads all hosts until ctx ends, the limit is reached, or out has enough. It
// returns how the reading and how the writing ended, as Copy does.
func (f *Follower) Follow(ctx context.Context, out sink.Sink) (read, written error) {
	f.out = out
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan hostEvent)
	ended := make(chan error, 1)
	go func() { ended <- f.readAll(ctx, events) }()
	written = f.write(events)
	cancel()
	for range events { // until who reads has seen it
	}
	read = <-ended
	if errors.Is(written, errEnough) {
		written = nil
	}
	if written == nil {
		written = f.sumUp()
	}
	if errors.Is(written, sink.ErrStopped) {
		written = nil // for its owner to tell
	}
	return read, written
}

// readAll reads all hosts, and closes events at the end.
func (f *Follower) readAll(ctx context.Context, events chan<- hostEvent) error {
	defer close(events)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(f.feeds))
	var all sync.WaitGroup
	for i, feed := range f.feeds {
		all.Go(func() {
			for errs[i] == nil {
				var ev event.Event
				if ev, errs[i] = feed.Next(ctx); errs[i] == nil {
					events <- hostEvent{ev, i, feed.Offset(ev.Time())}
				}
			}
			if errors.Is(errs[i], io.EOF) {
				errs[i] = nil
			} else {
				cancel()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// write writes events, and flushes whenever no further event waits.
func (f *Follower) write(events <-chan hostEvent) error {
	for {
		var s hostEvent
		var more bool
		select {
		case s, more = <-events:
		default:
			if err := f.out.Flush(); err != nil {
				return err
			}
			s, more = <-events
		}
		if !more {
			return nil
		}
		if err := f.event(&s); err != nil {
			return err
		}
	}
}

func (f *Follower) event(s *hostEvent) error {
	a := &f.accounts[s.host]
	if h, ok := s.Event.(*event.Host); ok {
		a.noteHost(f, h, s.host)
	}
	if len(f.feeds) > 1 {
		a.named.Rename(s.Event)
	}
	a.Observe(s.Event, a.begins(s.Event))
	a.shift, f.offset = s.offset, s.offset
	if err := f.out.Write(s.Event); err != nil {
		return err
	}
	if r, ok := s.Event.(*event.Record); ok && !r.Unsent {
		f.records++
	}
	if f.limit > 0 && f.records >= f.limit {
		return errEnough
	}
	return nil
}

func (a *account) noteHost(f *Follower, h *event.Host, i int) {
	address := f.feeds[i].Address()
	a.named.Number = uint64(i) + 1
	if h.State == event.HostHere {
		a.host = h
		a.named.Host = f.names.Of(i, h.Name, address)
	} else if a.named.Host == "" {
		a.named.Host = address
	}
}

// begins reports whether an event is the first of its connection.
func (a *account) begins(ev event.Event) bool {
	var id uint64
	switch ev := ev.(type) {
	case *event.Record:
		id = ev.Conn.ID
	case *event.Socket:
		id = ev.Conn.ID
	default:
		return false
	}
	if _, ok := a.seen.Get(id); ok {
		return false
	}
	a.seen.Put(id, struct{}{})
	return true
}

// sumUp writes the summaries of the hosts that reported anything.
func (f *Follower) sumUp() error {
	for i := range f.accounts {
		a := &f.accounts[i]
		if a.host == nil {
			continue
		}
		s := a.Summary()
		s.Missing = a.host.Missing
		if len(f.feeds) > 1 {
			s.Host = a.named.Host
		}
		f.offset = a.shift
		if err := f.out.Write(s); err != nil {
			return err
		}
	}
	return f.out.Flush()
}

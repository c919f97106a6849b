package feed

import (
	"context"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config says whose events a Hub hands on, and to how many.
type Config struct {
	// Host is who they are of, as far as it does not change.
	Host event.Host
	// Clock tells the wall clock of events, Mono their own.
	Clock sink.Clock
	Mono  func() uint64
	// Trace attaches the hooks, calls live when they are, with those that are missing,
	// and writes the events to out until ctx ends, with the summary as the last. It
	// returns when the hooks are detached.
	Trace func(ctx context.Context, live func(missing []string), out sink.Sink) error
	// Also, if not nil, gets every event too. Then the trace runs all the time.
	Also sink.Sink
	// Readers is how many there may be at a time, DefaultReaders if 0. QueueBytes may
	// wait for one, DefaultQueueBytes if 0, and less where there are many (budget).
	Readers, QueueBytes int
	// Linger is how long the trace goes on when the last reader has left, 10 s if 0;
	// Pause how long there is none after one that failed, 1 min if 0.
	Linger, Pause time.Duration
	// StallTimeout is how long a reader may take nothing at all, 1 min if 0.
	StallTimeout time.Duration
}

const (
	// DefaultReaders is how many readers a Hub has at most.
	DefaultReaders = 32
	// DefaultQueueBytes is what may wait for one of few readers.
	DefaultQueueBytes = 4 << 20
	// leastBytes may wait for each, and sharedBytes for all of them besides: together
	// 32 MiB, whatever number of readers reads nothing.
	leastBytes  = 256 << 10
	sharedBytes = 24 << 20
	// heartbeat is how often a reader is told that the host is there.
	heartbeat = uint64(10 * time.Second)
)

func (c Config) withDefaults() Config {
	if c.Readers <= 0 {
		c.Readers = DefaultReaders
	}
	if c.QueueBytes <= 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	for _, d := range []struct {
		set *time.Duration
		to  time.Duration
	}{{&c.Linger, 10 * time.Second}, {&c.Pause, time.Minute}, {&c.StallTimeout, time.Minute}} {
		if *d.set <= 0 {
			*d.set = d.to
		}
	}
	c.Host.State = event.HostHere
	c.Host.Tier = event.TierNone
	return c
}

// Hub is the sink.Sink of the trace that it runs (Run), and the http.Handler of
// those who read it. Nothing in it waits for a reader.
type Hub struct {
	cfg Config
	// wanted has a token if a trace may be wanted.
	wanted chan struct{}

	mu      sync.Mutex
	phase   phase
	stop    func() // ends the present trace
	closed  bool
	pause   time.Time // until then no trace is begun
	failure string    // why
	budget  budget
	readers []*reader // who are told of events
	waiting []*reader // for the hooks to be live

	encoder    *sink.Encoder
	line       []byte
	open       connections
	hostSentAt uint64 // when the host was reported last
	summary    *event.Summary
}

// phase is how far the trace is.
type phase uint8

const (
	idle phase = iota
	opening
	live
	ending // nobody joins it any more
)

// New returns a Hub; Run runs it.
func New(cfg Config) *Hub {
	cfg = cfg.withDefaults()
	h := &Hub{cfg: cfg, wanted: make(chan struct{}, 1), encoder: sink.NewEncoder(cfg.Clock), budget: budget{most: cfg.QueueBytes, free: sharedBytes}}
	if cfg.Also != nil {
		h.wanted <- struct{}{}
	}
	return h
}

// Write implements sink.Sink, for the trace.
func (h *Hub) Write(ev event.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := ev.(*event.Summary); ok {
		h.summary = s
		return h.also(ev)
	}
	ev = metadata(ev)
	if ev == nil {
		return nil
	}
	begins := h.open.observe(ev)
	h.broadcast(ev, begins)
	return h.also(ev)
}

func (h *Hub) also(ev event.Event) error {
	if h.cfg.Also == nil {
		return nil
	}
	return h.cfg.Also.Write(ev)
}

// metadata is what of an event may leave the host: no plaintext, and nothing that was
// made of it.
func metadata(ev event.Event) event.Event {
	switch ev := ev.(type) {
	case *event.Record:
		if ev.Payload == nil {
			return ev
		}
		bare := *ev
		bare.Payload = nil
		return &bare
	case *event.Socket, *event.Error, *event.Drop, *event.Lost:
		return ev
	}
	return nil
}

// broadcast gives an event to those who want it. It is spelled for the first of them.
func (h *Hub) broadcast(ev event.Event, begins bool) {
	var line []byte
	for _, r := range h.readers {
		if !r.wants(ev) {
			continue
		}
		if line == nil {
			h.line = h.encoder.AppendEvent(h.line[:0], ev)
			line = h.line
		}
		r.put(ev, begins, line)
	}
}

// Flush implements sink.Sink. Now and then it tells every reader that the host is
// there.
func (h *Hub) Flush() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.cfg.Mono(); now-h.hostSentAt >= heartbeat {
		h.hostSentAt = now
		h.broadcast(h.host(now), false)
	}
	for _, r := range h.readers {
		r.flush(h.spell)
	}
	if h.cfg.Also == nil {
		return nil
	}
	return h.cfg.Also.Flush()
}

// spell returns an event's line, which holds until the next.
func (h *Hub) spell(ev event.Event) []byte {
	h.line = h.encoder.AppendEvent(h.line[:0], ev)
	return h.line
}

func (h *Hub) host(now uint64) *event.Host {
	host := h.cfg.Host
	host.Mono = now
	return &host
}

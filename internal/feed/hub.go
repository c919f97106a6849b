package feed

import (
	"context"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/sink"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config says which host's events a Hub serves, and to how many readers.
type Config struct {
	// Host describes the host, as far as that does not change.
	Host event.Host
	// Clock reads the wall clock of events, Mono their monotonic clock.
	Clock sink.Clock
	Mono  func() uint64
	// Trace attaches the hooks, calls live once they are attached, with the hooks that
	// are missing, and writes the events to out until ctx ends, with the summary last.
	// It returns after the hooks are detached.
	Trace func(ctx context.Context, live func(missing []string), out sink.Sink) error
	// Also, if not nil, gets every event too. Then the trace runs all the time.
	Also sink.Sink
	// Readers is the highest number of concurrent readers, DefaultReaders if 0.
	// QueueBytes limits the queue of one reader, DefaultQueueBytes if 0; with many
	// readers the limit is lower (budget).
	Readers, QueueBytes int
	// Linger is how long the trace goes on after the last reader left, 10 s if 0; Pause
	// is how long no trace starts after one that failed, 1 min if 0.
	Linger, Pause time.Duration
	// StallTimeout is how long a reader may read nothing at all, 1 min if 0.
	StallTimeout time.Duration
}

const (
	// DefaultReaders is the highest number of readers of a Hub.
	DefaultReaders = 32
	// DefaultQueueBytes is the queue limit of each reader when there are few.
	DefaultQueueBytes = 4 << 20
	// leastBytes is the queue limit that each reader has in any case, and sharedBytes
	// is for all of them besides: together 32 MiB, however many readers stall.
	leastBytes  = 256 << 10
	sharedBytes = 24 << 20
	// heartbeat is how often readers get a line that the host is alive.
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

// Hub is the sink.Sink of the trace that it runs (Run), and the http.Handler of its
// readers. Nothing in it waits for a reader.
type Hub struct {
	cfg Config
	// wanted has a token if a trace may be wanted.
	wanted chan struct{}

	mu      sync.Mutex
	phase   phase
	stop    func() // ends the current trace
	closed  bool
	pause   time.Time // until then no trace starts
	failure string    // why
	budget  budget
	readers []*reader // who get the events
	waiting []*reader // for the hooks to be live

	encoder    *sink.Encoder
	line       []byte
	open       connections
	hostSentAt uint64 // when the host was reported last
	summary    *event.Summary
}

// phase is the state of the trace.
type phase uint8

const (
	idle phase = iota
	opening
	live
	ending // nobody can join it any more
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

// metadata returns an event without plaintext and anything derived from it: only the
// rest may leave the host.
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

// broadcast gives an event to the readers that want it. It formats the event for the
// first of them.
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

// Flush implements sink.Sink. At intervals it reports to every reader that the host is
// alive.
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

// spell returns an event's line, which is valid until the next call.
func (h *Hub) spell(ev event.Event) []byte {
	h.line = h.encoder.AppendEvent(h.line[:0], ev)
	return h.line
}

func (h *Hub) host(now uint64) *event.Host {
	host := h.cfg.Host
	host.Mono = now
	return &host
}

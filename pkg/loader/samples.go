package loader

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// sampleBatch is how many connections one system call reads.
const sampleBatch = 512

// sampler reads the map "stats". Its buffers are there for good: reading takes
// no memory per connection.
type sampler struct {
	mu     sync.Mutex
	stats  *ebpf.Map
	stream *ebpf.Variable // the connection whose records are events too
	keys   []uint64
	values []wire.Sums
	sample event.Sample
	count  int // connections at the last reading
}

func newSampler(coll *ebpf.Collection) *sampler {
	return &sampler{stats: coll.Maps["stats"], stream: coll.Variables["stream_conn"],
		keys: make([]uint64, sampleBatch), values: make([]wire.Sums, sampleBatch)}
}

// Aggregates says whether the kernel adds records up: Config.Aggregate has asked
// for it, and the backend can.
func (t *Tracer) Aggregates() bool { return t.sampler != nil }

// Samples calls visit for each connection that the kernel adds records up for,
// and forgets those that are closed: their Sample is Final. The Sample is
// visit's until it returns. With Config.Aggregate only. Other methods may run
// at the same time.
func (t *Tracer) Samples(visit func(*event.Sample)) error {
	if t.sampler == nil {
		return nil
	}
	return t.sampler.read(visit)
}

func (s *sampler) read(visit func(*event.Sample)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = 0
	// The batch commands of hashes are as old as Linux 5.6, and walk them bucket
	// by bucket: entries that come and go meanwhile do not hide others.
	var cursor ebpf.MapBatchCursor
	for {
		n, err := s.stats.BatchLookup(&cursor, s.keys, s.values, nil)
		end := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !end {
			return fmt.Errorf("read the connections' counters: %w", err)
		}
		for i := range n {
			if err := s.one(s.keys[i], &s.values[i], visit); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

func (s *sampler) one(key uint64, w *wire.Sums, visit func(*event.Sample)) error {
	if w.Closed != 0 {
		// Read it again: the flag may have come between two words of the batch.
		err := s.stats.LookupAndDelete(&key, w)
		if err != nil {
			return fmt.Errorf("take a closed connection's counters: %w", err)
		}
	}
	if w.Conn == 0 { // just being made
		return nil
	}
	s.count++
	w.Sample(&s.sample)
	visit(&s.sample)
	return nil
}

// add counts, after the hooks are gone, a record that was still in the making.
func (s *sampler) add(e *wire.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.values[0]
	err := s.stats.Lookup(&e.Conn, w)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		*w, err = wire.Sums{}, nil
	}
	if err == nil {
		w.Add(e)
		err = s.stats.Put(&e.Conn, w)
	}
	if err != nil {
		return fmt.Errorf("count an unfinished record: %w", err)
	}
	return nil
}

// Stream turns on, or with 0 off, the events of each record of one connection.
// With Config.Aggregate only; other methods may run at the same time.
func (t *Tracer) Stream(conn uint64) error {
	if t.sampler == nil {
		return nil
	}
	if err := t.sampler.stream.Set(conn); err != nil {
		return fmt.Errorf("choose a connection to stream: %w", err)
	}
	t.stream.Store(conn)
	return nil
}

// endStream lets go what waits for its call's return when another connection
// has been chosen: the event that would bring it does not come any more.
func (t *Tracer) endStream(handle func(event.Event) error) error {
	now := t.stream.Load()
	if now == t.streamed {
		return nil
	}
	old := t.streamed
	t.streamed = now
	return t.asm.LetGo(old, handle)
}

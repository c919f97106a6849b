// Package sums reads what the BPF programs add up of each connection.
package sums

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

// Reader reads the map "stats". Its buffers are there for good: reading takes
// no memory per connection. Its methods may be called from any goroutine.
type Reader struct {
	mu     sync.Mutex
	stats  *ebpf.Map
	stream *ebpf.Variable
	keys   []uint64
	values []wire.Sums
	sample event.Sample
	count  int // connections at the last reading
}

// New returns a reader of the map "stats"; stream is the variable that holds the
// connection whose records are events too.
func New(stats *ebpf.Map, stream *ebpf.Variable) *Reader {
	return &Reader{stats: stats, stream: stream,
		keys: make([]uint64, sampleBatch), values: make([]wire.Sums, sampleBatch)}
}

// Read calls visit for each connection that is added up, and forgets those that
// are closed: their sample is final. The sample is visit's until it returns.
func (r *Reader) Read(visit func(*event.Sample)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = 0
	// The batch commands of hashes are as old as Linux 5.6, and walk them bucket
	// by bucket: entries that come and go meanwhile do not hide others.
	var cursor ebpf.MapBatchCursor
	for {
		n, err := r.stats.BatchLookup(&cursor, r.keys, r.values, nil)
		end := errors.Is(err, ebpf.ErrKeyNotExist)
		if err != nil && !end {
			return fmt.Errorf("read the connections' counters: %w", err)
		}
		for i := range n {
			if err := r.one(r.keys[i], &r.values[i], visit); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

func (r *Reader) one(key uint64, w *wire.Sums, visit func(*event.Sample)) error {
	if w.Closed != 0 {
		// Read it again: the flag may have come between two words of the batch.
		err := r.stats.LookupAndDelete(&key, w)
		if err != nil {
			return fmt.Errorf("take a closed connection's counters: %w", err)
		}
	}
	if w.Conn == 0 { // just being made
		return nil
	}
	r.count++
	w.Sample(&r.sample)
	visit(&r.sample)
	return nil
}

// Add counts, after the hooks are gone, a record that was still in the making.
func (r *Reader) Add(e *wire.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.values[0]
	err := r.stats.Lookup(&e.Conn, w)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		*w, err = wire.Sums{}, nil
	}
	if err == nil {
		w.Add(e)
		err = r.stats.Put(&e.Conn, w)
	}
	if err != nil {
		return fmt.Errorf("count an unfinished record: %w", err)
	}
	return nil
}

// Stream lets each record of one connection be an event too, and with 0 of none.
func (r *Reader) Stream(conn uint64) error {
	if err := r.stream.Set(conn); err != nil {
		return fmt.Errorf("choose a connection to stream: %w", err)
	}
	return nil
}

// Fill is how many connections there is room for, and how many there were when
// they were last read.
func (r *Reader) Fill() (size, used uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return uint64(r.stats.MaxEntries()), uint64(r.count)
}

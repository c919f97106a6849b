// Package sums reads the sums that the BPF programs keep for each connection.
package sums

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// sampleBatch is how many connections one system call reads.
const sampleBatch = 512

// Reader reads the maps "stats" and "hot_stats". Its buffers are allocated once: reading
// takes no memory per connection. Its methods may be called from any goroutine.
type Reader struct {
	mu     sync.Mutex
	stats  *ebpf.Map
	hot    *ebpf.Memory
	places uint32 // in hot
	stream *ebpf.Variable
	keys   []uint64
	values []wire.Sums
	user   func(place uint16) string
	sample event.Sample
	count  int // connections at the last reading
	fence  atomic.Uint64
}

// New returns a reader of the maps "stats" and "hot_stats"; stream is the variable with
// the connection whose records are events too, and user returns the part of the kernel at
// a place.
func New(stats, hot *ebpf.Map, stream *ebpf.Variable, user func(place uint16) string) (*Reader, error) {
	memory, err := hot.Memory()
	if err != nil {
		return nil, fmt.Errorf("share the connections' counters: %w", err)
	}
	return &Reader{stats: stats, hot: memory, places: hot.MaxEntries(), stream: stream, user: user,
		keys: make([]uint64, sampleBatch), values: make([]wire.Sums, sampleBatch)}, nil
}

// Read calls visit for each connection with sums, and forgets closed ones: their sample is
// final. The sample belongs to visit until it returns.
func (r *Reader) Read(visit func(*event.Sample)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count = 0
	if err := r.readHot(visit); err != nil {
		return err
	}
	// The batch commands of hashes exist since Linux 5.6, and walk them bucket by bucket:
	// entries that are added or removed meanwhile do not hide others.
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
		// Read it again: the flag may have been set between two words of the batch.
		err := r.stats.LookupAndDelete(&key, w)
		if err != nil {
			return fmt.Errorf("take a closed connection's counters: %w", err)
		}
	}
	r.show(w, visit)
	return nil
}

func (r *Reader) show(w *wire.Sums, visit func(*event.Sample)) {
	if w.Conn == 0 { // being created
		return
	}
	r.count++
	w.Sample(&r.sample)
	r.sample.Conn.KernelUser = r.user(w.User)
	visit(&r.sample)
}

// readHot reads the map in shared memory.
func (r *Reader) readHot(visit func(*event.Sample)) error {
	w := &r.values[0]
	for place := range r.places {
		if id, err := r.conn(place); err != nil || id == 0 {
			if err != nil {
				return err
			}
			continue
		}
		r.order()
		if err := r.at(place, r.hot.ReadAt, w.Bytes()); err != nil {
			return err
		}
		closed := w.Closed != 0
		if closed { // read it again, see one
			r.order()
			if err := r.at(place, r.hot.ReadAt, w.Bytes()); err != nil {
				return err
			}
		}
		r.show(w, visit)
		if closed {
			if err := r.blank(place); err != nil {
				return err
			}
		}
	}
	return nil
}

// conn is the connection whose counters are at a place.
func (r *Reader) conn(place uint32) (id uint64, err error) {
	var b [8]byte
	if err := r.at(place, r.hot.ReadAt, b[:]); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(b[:]), nil
}

func (r *Reader) at(place uint32, do func([]byte, int64) (int, error), b []byte) error {
	if _, err := do(b, int64(place)*wire.SumsSize); err != nil {
		return fmt.Errorf("read the connections' counters: %w", err)
	}
	return nil
}

var noSums wire.Sums

// blank frees a place, its id last: until then nothing counts there.
func (r *Reader) blank(place uint32) error {
	b := noSums.Bytes()
	if _, err := r.hot.WriteAt(b[8:], int64(place)*wire.SumsSize+8); err != nil {
		return fmt.Errorf("free a closed connection's counters: %w", err)
	}
	r.order()
	return r.at(place, r.hot.WriteAt, b[:8])
}

// order keeps accesses to the shared memory before it ahead of those after it, also if the
// processor reorders plain accesses (arm64): no access moves past a releasing store
// downwards or past an acquiring load upwards, and these two do not pass each other.
func (r *Reader) order() {
	r.fence.Store(0)
	r.fence.Load()
}

// Add counts, after the hooks are gone, a record that was still in progress.
func (r *Reader) Add(e *wire.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.values[0]
	switch err := r.stats.Lookup(&e.Conn, w); {
	case err == nil:
		w.Add(e)
		return unfinished(r.stats.Put(&e.Conn, w))
	case !errors.Is(err, ebpf.ErrKeyNotExist):
		return unfinished(err)
	}
	if place := uint32(e.Conn&slotMask) - 1; place < r.places {
		id, err := r.conn(place)
		if err != nil {
			return err
		}
		if id == 0 || id == e.Conn {
			if err := r.at(place, r.hot.ReadAt, w.Bytes()); err != nil {
				return err
			}
			w.Add(e)
			return r.at(place, r.hot.WriteAt, w.Bytes())
		}
	}
	*w = wire.Sums{}
	w.Add(e)
	return unfinished(r.stats.Put(&e.Conn, w))
}

func unfinished(err error) error {
	if err != nil {
		return fmt.Errorf("count an unfinished record: %w", err)
	}
	return nil
}

// slotMask is the part of a connection's id that is its place in "hot_stats", plus 1
// (SLOT_BITS of bpf/ktls_sums.h).
const slotMask = 1<<14 - 1

// Stream makes each record of one connection an event too, with 0 of none.
func (r *Reader) Stream(conn uint64) error {
	if err := r.stream.Set(conn); err != nil {
		return fmt.Errorf("choose a connection to stream: %w", err)
	}
	return nil
}

// Usage returns how many connections there is room for, and how many there were at the
// last reading.
func (r *Reader) Usage() (size, used uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return uint64(r.stats.MaxEntries()) + uint64(r.places), uint64(r.count)
}

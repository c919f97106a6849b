// Package ring reads the ring of events, which the BPF programs write and user space
// maps into memory (bpf/ktls_ring.h).
package ring

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// slotSize is the size of a struct slot.
const slotSize = int(unsafe.Sizeof(object.KtlsSlot{}))

// Geometry is how a ring of a given number of bytes is divided.
type Geometry struct {
	// Slots is a power of two, Room the number of events that there is room for: it is
	// less than Slots by the number of programs that can take a slot while they check
	// for room.
	Slots, Capacity uint32
}

// perProcessor is more than the number of programs that write events: each one can be
// between its check for room and its slot on a processor.
const perProcessor = 32

// Divide divides a ring of the given number of bytes for the given number of
// processors. Small rings get as many slots as needed.
func Divide(bytes uint32, processors int) Geometry {
	room := max(1, bytes/uint32(slotSize))
	spare := uint32(processors) * perProcessor
	slots := uint32(1) << (bits.Len32(room) - 1)
	if slots < 16*spare {
		slots = 1 << bits.Len32(room+spare-1)
	}
	return Geometry{Slots: slots, Capacity: min(room, slots-spare)}
}

// log2 is the power of two that is nearest to a part of the room.
func (g Geometry) log2(parts uint32) uint32 {
	part := max(1, g.Capacity/parts)
	n := uint32(bits.Len32(part)) - 1
	if part-1<<n > 1<<n/2 {
		n++
	}
	return n
}

// Into sets the programs' variables.
func (g Geometry) Into(spec *ebpf.CollectionSpec) error {
	spec.Maps["events"].MaxEntries = g.Slots
	spec.Maps["wake"].MaxEntries = uint32(object.PageSize) // the kernel's rings are never smaller
	return errors.Join(
		object.Set(spec, "ring_mask", g.Slots-1),
		object.Set(spec, "ring_room", g.Capacity),
		object.Set(spec, "data_room", g.Capacity-g.Capacity/8),
		object.Set(spec, "wake_mask", uint32(1)<<g.log2(4)-1),
		object.Set(spec, "fill_shift", g.log2(16)),
	)
}

// Reader reads the events in the order of their positions. It is for one goroutine,
// except Used, Size and Close.
type Reader struct {
	slots, data []byte // the maps "events" and ".bss"
	head, tail  *uint64
	mask        uint64
	capacity    uint64
	given       bool // the slot at tail is released by the next Read
	ended       bool
	abandoned   uint64
	wake        *ringbuf.Reader
	woken       ringbuf.Record
}

// Open maps the ring of a loaded collection; head and tail are the places of its
// variables ring_head and ring_tail in ".bss".
func Open(coll *ebpf.Collection, g Geometry, head, tail uint32) (r *Reader, err error) {
	r = &Reader{mask: uint64(g.Slots) - 1, capacity: uint64(g.Capacity)}
	defer func(opened *Reader) {
		if err != nil {
			opened.Close()
		}
	}(r)
	if r.slots, err = share(coll.Maps["events"], int(g.Slots)*slotSize, unix.PROT_READ); err != nil {
		return nil, err
	}
	bss := coll.Maps[".bss"]
	if r.data, err = share(bss, int(bss.ValueSize()), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return nil, err
	}
	r.head, r.tail = (*uint64)(unsafe.Pointer(&r.data[head])), (*uint64)(unsafe.Pointer(&r.data[tail]))
	if r.wake, err = ringbuf.NewReader(coll.Maps["wake"]); err != nil {
		return nil, fmt.Errorf("open the ring that wakes: %w", err)
	}
	return r, nil
}

func share(m *ebpf.Map, size, how int) ([]byte, error) {
	b, err := unix.Mmap(m.FD(), 0, size, how, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("share the map %v: %w", m, err)
	}
	return b, nil
}

// SetDeadline sets until when Read waits.
func (r *Reader) SetDeadline(t time.Time) { r.wake.SetDeadline(t) }

// Read returns the next event, which stays in the ring until the next call, or
// os.ErrDeadlineExceeded.
func (r *Reader) Read() ([]byte, error) {
	for {
		if b := r.next(); b != nil {
			return b, nil
		}
		// A write between the check and the wait wakes the reader, or is seen at the
		// deadline.
		err := r.wake.ReadInto(&r.woken)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if b := r.next(); b != nil {
				return b, nil
			}
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("wait for events: %w", err)
		}
	}
}

// next is the event at the tail, nil if there is none yet.
func (r *Reader) next() []byte {
	for tail := atomic.LoadUint64(r.tail); ; {
		if r.given {
			tail++
			atomic.StoreUint64(r.tail, tail)
			r.given = false
		}
		whole := r.isWhole(tail)
		if !whole && (!r.ended || atomic.LoadUint64(r.head) == tail) {
			return nil
		}
		r.given = true
		if !whole {
			r.abandoned++ // its writer will not finish it
			continue
		}
		if b := r.slot(tail)[unsafe.Offsetof(object.KtlsSlot{}.E):]; b[unsafe.Offsetof(object.KtlsEvent{}.Kind)] != 0 {
			return b
		}
	}
}

// slot is the slot of an event's position.
func (r *Reader) slot(at uint64) []byte {
	from := int(at&r.mask) * slotSize
	return r.slots[from : from+slotSize]
}

// End is called when no program runs any more: an interrupted program has a second to
// finish. Events that are incomplete after that are skipped.
func (r *Reader) End() {
	for end := time.Now().Add(time.Second); !r.whole() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	r.ended = true
}

// whole reports whether every taken slot is complete.
func (r *Reader) whole() bool {
	for at, head := atomic.LoadUint64(r.tail), atomic.LoadUint64(r.head); at != head; at++ {
		if !r.isWhole(at) {
			return false
		}
	}
	return true
}

func (r *Reader) isWhole(at uint64) bool {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.slot(at)[0]))) == at+1
}

// Abandoned is how many events were skipped, see End.
func (r *Reader) Abandoned() uint64 { return r.abandoned }

// Size and Used are in bytes.
func (r *Reader) Size() uint64 { return r.capacity * uint64(slotSize) }

// Used is the memory that is written, or being written, and not read yet.
func (r *Reader) Used() uint64 {
	tail := atomic.LoadUint64(r.tail)
	return (atomic.LoadUint64(r.head) - tail) * uint64(slotSize)
}

// Close ends the reading. It may be called more than once.
func (r *Reader) Close() {
	if r.wake != nil {
		r.wake.Close()
	}
	for _, b := range []*[]byte{&r.slots, &r.data} {
		if *b != nil {
			unix.Munmap(*b)
			*b = nil // another map may be mapped there
		}
	}
}

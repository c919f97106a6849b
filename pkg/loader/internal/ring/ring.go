// Package ring reads the ring of events, which the BPF programs write and user
// space has as memory (bpf/ktls_ring.h).
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

// Geometry is how a ring of so many bytes is divided.
type Geometry struct {
	// Slots is a power of two, Room how many events there is room for: less, by as
	// many as can take a slot at the same time as they look for room.
	Slots, Capacity uint32
}

// perProcessor is more than there are programs that write events: of each one can be
// between its look for room and its slot on a processor.
const perProcessor = 32

// Divide divides a ring of so many bytes for so many processors. Small rings get as
// many slots as it takes.
func Divide(bytes uint32, processors int) Geometry {
	room := max(1, bytes/uint32(slotSize))
	spare := uint32(processors) * perProcessor
	slots := uint32(1) << (bits.Len32(room) - 1)
	if slots < 16*spare {
		slots = 1 << bits.Len32(room+spare-1)
	}
	return Geometry{Slots: slots, Capacity: min(room, slots-spare)}
}

// log2 is what a part of the room is nearest to, as a power of two.
func (g Geometry) log2(parts uint32) uint32 {
	part := max(1, g.Capacity/parts)
	n := uint32(bits.Len32(part)) - 1
	if part-1<<n > 1<<n/2 {
		n++
	}
	return n
}

// Into tells the programs.
func (g Geometry) Into(spec *ebpf.CollectionSpec) error {
	spec.Maps["events"].MaxEntries = g.Slots
	spec.Maps["wake"].MaxEntries = uint32(object.PageSize) // no ring of the kernel's is smaller
	return errors.Join(
		object.Set(spec, "ring_mask", g.Slots-1),
		object.Set(spec, "ring_room", g.Capacity),
		object.Set(spec, "data_room", g.Capacity-g.Capacity/8),
		object.Set(spec, "wake_mask", uint32(1)<<g.log2(4)-1),
		object.Set(spec, "fill_shift", g.log2(16)),
	)
}

// Reader reads the events in the order of their positions. It is for one goroutine,
// but for Used, Size and Close.
type Reader struct {
	slots, data []byte // the maps "events" and ".bss"
	head, tail  *uint64
	mask        uint64
	capacity    uint64
	given       bool // the slot at tail is done with at the next look
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

// SetDeadline is until when Read waits.
func (r *Reader) SetDeadline(t time.Time) { r.wake.SetDeadline(t) }

// Read returns the next event, which lies in the ring until the next call, or
// os.ErrDeadlineExceeded.
func (r *Reader) Read() ([]byte, error) {
	for {
		if b := r.next(); b != nil {
			return b, nil
		}
		// What was written between the look and the wait has woken, or is seen at the deadline.
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

// next is the event at the tail, nil where there is none yet.
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
			r.abandoned++ // its writer does not come back
			continue
		}
		if b := r.slot(tail)[unsafe.Offsetof(object.KtlsSlot{}.E):]; b[unsafe.Offsetof(object.KtlsEvent{}.Kind)] != 0 {
			return b
		}
	}
}

// slot is where the event of a position lies.
func (r *Reader) slot(at uint64) []byte {
	from := int(at&r.mask) * slotSize
	return r.slots[from : from+slotSize]
}

// End is called when no program runs any more: one that was interrupted has a second to
// be done. What is not whole then is passed over.
func (r *Reader) End() {
	for end := time.Now().Add(time.Second); !r.whole() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	r.ended = true
}

// whole says that all that was taken has been given.
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

// Abandoned is how many events were passed over, see End.
func (r *Reader) Abandoned() uint64 { return r.abandoned }

// Size and Used are in bytes.
func (r *Reader) Size() uint64 { return r.capacity * uint64(slotSize) }

// Used is what is written, or being written, and not read.
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
			*b = nil // another map can come to lie there
		}
	}
}

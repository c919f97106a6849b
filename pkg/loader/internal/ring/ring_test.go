package ring

import (
	"testing"
	"unsafe"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		bytes      uint32
		processors int
	}{{4096, 1}, {4096, 2}, {4096, 512}, {16384, 2}, {8 << 20, 2}, {8 << 20, 64}, {8 << 20, 4096}, {1 << 30, 256}} {
		g := Divide(c.bytes, c.processors)
		if g.Slots&(g.Slots-1) != 0 || g.Capacity == 0 {
			t.Errorf("%d bytes, %d processors: %+v", c.bytes, c.processors, g)
		}
		if spare := g.Slots - g.Capacity; spare < uint32(c.processors)*perProcessor {
			t.Errorf("%d bytes, %d processors: %d slots to spare", c.bytes, c.processors, spare)
		}
		if asked := c.bytes / uint32(slotSize); g.Capacity > asked || g.Capacity < asked/2 || c.bytes < 1<<20 && g.Capacity != asked {
			t.Errorf("%d bytes, %d processors: room for %d events, asked for %d", c.bytes, c.processors, g.Capacity, asked)
		}
	}
	if g := Divide(8<<20, 2); int(g.Slots)*slotSize > 8<<20 {
		t.Errorf("a ring of 8 MiB takes %d bytes", int(g.Slots)*slotSize)
	}
}

// written is a ring in ordinary memory.
type written struct {
	Reader
	positions [2]uint64 // head, tail
}

func newWritten(slots int, at uint64) *written {
	w := &written{Reader: Reader{slots: make([]byte, slots*slotSize), mask: uint64(slots) - 1, capacity: uint64(slots)}}
	w.positions = [2]uint64{at, at}
	w.head, w.tail = &w.positions[0], &w.positions[1]
	return w
}

// write does what the programs do, in two steps.
func (w *written) take() (at uint64) {
	w.positions[0]++
	return w.positions[0] - 1
}

func (w *written) give(at uint64, kind uint8) {
	s := (*object.KtlsSlot)(unsafe.Pointer(&w.slots[int(at&w.mask)*slotSize]))
	s.E = object.KtlsEvent{Kind: kind, Conn: at}
	s.Turn = at + 1
}

func (w *written) expect(t *testing.T, positions ...uint64) {
	t.Helper()
	for _, at := range positions {
		b := w.next()
		if b == nil {
			t.Fatalf("nothing where %d is due", at)
		}
		if e := (*object.KtlsEvent)(unsafe.Pointer(&b[0])); e.Conn != at {
			t.Fatalf("got what was written at %d, want %d", e.Conn, at)
		}
	}
	if b := w.next(); b != nil {
		t.Fatalf("got %d behind the last", (*object.KtlsEvent)(unsafe.Pointer(&b[0])).Conn)
	}
}

// Events come in the order of their positions, each once, round after round.
func TestOrder(t *testing.T) {
	const begin = 1<<64 - 10 // positions wrap
	w := newWritten(4, begin)
	w.expect(t)
	for at := uint64(begin); at != 20; at += 2 {
		w.give(w.take(), 1)
		w.give(w.take(), 1)
		w.expect(t, at, at+1)
	}
	if w.Used() != 0 {
		t.Errorf("%d bytes used of an empty ring", w.Used())
	}
}

// An incomplete event delays those after it, and stays in use until it was read.
func TestUnfinished(t *testing.T) {
	w := newWritten(4, 0)
	first, second := w.take(), w.take()
	w.give(second, 1)
	w.expect(t)
	w.give(first, 1)
	if w.next() == nil || w.Used() != 2*uint64(slotSize) {
		t.Errorf("%d bytes used while the first of two is looked at", w.Used())
	}
	w.expect(t, second)
}

// An event that its writer never completes is skipped in the end, and counted.
func TestAbandoned(t *testing.T) {
	w := newWritten(4, 0)
	w.take()
	w.give(w.take(), 1)
	w.expect(t)
	w.End()
	w.expect(t, 1)
	if w.Abandoned() != 1 || w.Used() != 0 {
		t.Errorf("%d abandoned, %d bytes used", w.Abandoned(), w.Used())
	}
}

// A slot that was taken and not used is skipped.
func TestNothing(t *testing.T) {
	w := newWritten(4, 0)
	for _, kind := range []uint8{0, 1, 0, 0} {
		w.give(w.take(), kind)
	}
	w.expect(t, 1)
	w.give(w.take(), 1)
	w.expect(t, 4)
}

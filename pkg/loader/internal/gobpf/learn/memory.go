package learn

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// memory is a piece of the kernel's memory to search for known values.
type memory []byte

func (m memory) u64(at int) uint64 {
	if at < 0 || at+8 > len(m) {
		return 0
	}
	return binary.NativeEndian.Uint64(m[at:])
}

func (m memory) u32(at int) uint32 {
	if at < 0 || at+4 > len(m) {
		return 0
	}
	return binary.NativeEndian.Uint32(m[at:])
}

// find returns the offsets of b that are multiples of align.
func (m memory) find(b []byte, align int) (at []int) {
	for i := 0; i+len(b) <= len(m); i += align {
		if bytes.Equal(m[i:i+len(b)], b) {
			at = append(at, i)
		}
	}
	return at
}

func (m memory) find64(v uint64) []int { return m.find(binary.NativeEndian.AppendUint64(nil, v), 8) }
func (m memory) find32(v uint32) []int { return m.find(binary.NativeEndian.AppendUint32(nil, v), 4) }
func (m memory) find16(v uint16) []int { return m.find(binary.NativeEndian.AppendUint16(nil, v), 2) }
func (m memory) find8(v uint8) []int   { return m.find([]byte{v}, 1) }

// isKernel: an address in the kernel's half, with four or five levels of page tables,
// but not a small negative number.
func isKernel(addr uint64) bool { return addr >= 0xff00000000000000 && addr < 0xffffffffff000000 }

// pointers returns the offsets of possible addresses in the kernel.
func (m memory) pointers() (at []int) {
	for i := 0; i+8 <= len(m); i += 8 {
		if isKernel(m.u64(i)) {
			at = append(at, i)
		}
	}
	return at
}

// candidates are the places that every sample so far allows.
type candidates[T comparable] struct {
	remaining []T
	samples   int
}

// add keeps the places that this sample allows too.
func (c *candidates[T]) add(places []T) {
	if c.samples++; c.samples == 1 {
		c.remaining = slices.Clone(places)
		return
	}
	c.remaining = slices.DeleteFunc(c.remaining, func(p T) bool { return !slices.Contains(places, p) })
}

// only is the single place that is left after at least two samples; with two places
// nothing is known.
func (c *candidates[T]) only() (place T, ok bool) {
	if c.samples < 2 || len(c.remaining) != 1 {
		return place, false
	}
	return c.remaining[0], true
}

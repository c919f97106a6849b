package assemble

import (
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// waitlist keeps values that wait for the event of their record. A value is found by its record,
// by its connection and by its age, without a search: the cost of closing a connection depends
// on its own values only.
type waitlist[V any] struct {
	all    map[wire.PayloadKey]*keeping[V]
	conns  map[uint64]*keeping[V] // the oldest of each connection
	oldest *keeping[V]
	free   *keeping[V] // linked by next[byAge]
}

// keeping is one kept value. It is in two rings, each from the oldest to the newest.
type keeping[V any] struct {
	prev, next [2]*keeping[V]
	key        wire.PayloadKey
	value      V
}

// The rings of all values and of those of a connection.
const (
	byAge = iota
	byConn
)

func newWaitlist[V any]() *waitlist[V] {
	return &waitlist[V]{all: map[wire.PayloadKey]*keeping[V]{}, conns: map[uint64]*keeping[V]{}}
}

func (s *waitlist[V]) len() int { return len(s.all) }

func (s *waitlist[V]) has(key wire.PayloadKey) bool { return s.all[key] != nil }

// put keeps a value, and replaces an older one of the same key.
func (s *waitlist[V]) put(key wire.PayloadKey, value V) {
	s.pop(key)
	it := s.free
	if it == nil {
		it = &keeping[V]{}
	} else {
		s.free = it.next[byAge]
	}
	it.key, it.value = key, value
	s.all[key] = it
	s.oldest = it.join(byAge, s.oldest)
	s.conns[key.Conn] = it.join(byConn, s.conns[key.Conn])
}

// pop removes the value of a key and returns it.
func (s *waitlist[V]) pop(key wire.PayloadKey) (value V, ok bool) {
	it := s.all[key]
	if it == nil {
		return value, false
	}
	return s.remove(it), true
}

// popOldest removes and returns the value that was put first.
func (s *waitlist[V]) popOldest() (value V, ok bool) {
	if s.oldest == nil {
		return value, false
	}
	return s.remove(s.oldest), true
}

// popFirst removes and returns the value that was put first for a connection.
func (s *waitlist[V]) popFirst(conn uint64) (value V, ok bool) {
	it := s.conns[conn]
	if it == nil {
		return value, false
	}
	return s.remove(it), true
}

func (s *waitlist[V]) remove(it *keeping[V]) V {
	value := it.value
	delete(s.all, it.key)
	s.oldest = it.leave(byAge, s.oldest)
	if left := it.leave(byConn, s.conns[it.key.Conn]); left != nil {
		s.conns[it.key.Conn] = left
	} else {
		delete(s.conns, it.key.Conn)
	}
	*it = keeping[V]{next: [2]*keeping[V]{byAge: s.free}}
	s.free = it
	return value
}

// join makes it the newest of a ring, and returns the oldest.
func (it *keeping[V]) join(ring int, oldest *keeping[V]) *keeping[V] {
	if oldest == nil {
		it.prev[ring], it.next[ring] = it, it
		return it
	}
	newest := oldest.prev[ring]
	it.prev[ring], it.next[ring] = newest, oldest
	newest.next[ring], oldest.prev[ring] = it, it
	return oldest
}

// leave takes it out of a ring, and returns the oldest that is left, or nil.
func (it *keeping[V]) leave(ring int, oldest *keeping[V]) *keeping[V] {
	prev, next := it.prev[ring], it.next[ring]
	if next == it {
		return nil
	}
	prev.next[ring], next.prev[ring] = next, prev
	if oldest == it {
		return next
	}
	return oldest
}

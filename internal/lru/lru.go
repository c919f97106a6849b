// Package lru bounds what is remembered of connections that never say that
// they are gone: a map with a limit that forgets first what was idle longest.
package lru

import "iter"

// Map holds at most a limit of entries. Every operation on one entry takes
// constant time. It is not safe for concurrent use.
type Map[K comparable, V any] struct {
	limit   int
	entries map[K]*entry[K, V]
	// ends.next is the entry used last, ends.prev the idlest; both are &ends
	// in an empty map.
	ends    entry[K, V]
	evicted uint64
}

type entry[K comparable, V any] struct {
	prev, next *entry[K, V]
	key        K
	value      V
}

// New returns an empty map of at most limit entries, and of one if limit is
// less.
func New[K comparable, V any](limit int) *Map[K, V] {
	m := &Map[K, V]{limit: max(1, limit), entries: map[K]*entry[K, V]{}}
	m.ends.prev, m.ends.next = &m.ends, &m.ends
	return m
}

// Get returns a key's value, and counts as its use.
func (m *Map[K, V]) Get(key K) (value V, ok bool) {
	e := m.entries[key]
	if e == nil {
		return value, false
	}
	m.use(e)
	return e.value, true
}

// Peek returns a key's value without using it: the key stays as idle as it was.
func (m *Map[K, V]) Peek(key K) (value V, ok bool) {
	if e := m.entries[key]; e != nil {
		return e.value, true
	}
	return value, false
}

// Put sets a key's value, and counts as its use. Where a new key finds no room,
// the idlest entry goes and is returned, with evicted set.
func (m *Map[K, V]) Put(key K, value V) (oldKey K, oldValue V, evicted bool) {
	if e := m.entries[key]; e != nil {
		e.value = value
		m.use(e)
		return oldKey, oldValue, false
	}
	if len(m.entries) < m.limit {
		m.insert(&entry[K, V]{}, key, value)
		return oldKey, oldValue, false
	}
	e := m.ends.prev
	oldKey, oldValue = e.key, e.value
	m.evicted++
	m.remove(e)
	m.insert(e, key, value)
	return oldKey, oldValue, true
}

// Delete removes a key and returns what its value was.
func (m *Map[K, V]) Delete(key K) (value V, ok bool) {
	e := m.entries[key]
	if e == nil {
		return value, false
	}
	m.remove(e)
	return e.value, true
}

// Idlest returns the entry that would be evicted next, without using it.
func (m *Map[K, V]) Idlest() (key K, value V, ok bool) {
	e := m.ends.prev
	return e.key, e.value, e != &m.ends
}

// All goes through the entries, the idlest first, without using them. The entry
// at hand may be deleted meanwhile; other changes are not allowed.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for e := m.ends.prev; e != &m.ends; {
			before := e.prev // e may be deleted
			if !yield(e.key, e.value) {
				return
			}
			e = before
		}
	}
}

// Len is how many entries there are.
func (m *Map[K, V]) Len() int { return len(m.entries) }

// Evicted is how many entries went because a new one found no room.
func (m *Map[K, V]) Evicted() uint64 { return m.evicted }

func (m *Map[K, V]) use(e *entry[K, V]) {
	unlink(e)
	m.front(e)
}

func (m *Map[K, V]) insert(e *entry[K, V], key K, value V) {
	e.key, e.value = key, value
	m.entries[key] = e
	m.front(e)
}

func (m *Map[K, V]) remove(e *entry[K, V]) {
	delete(m.entries, e.key)
	unlink(e)
}

func (m *Map[K, V]) front(e *entry[K, V]) {
	e.prev, e.next = &m.ends, m.ends.next
	e.prev.next, e.next.prev = e, e
}

func unlink[K comparable, V any](e *entry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}

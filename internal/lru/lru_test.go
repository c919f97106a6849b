package lru

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// keys lists a map's keys, the idlest first.
func keys(m *Map[int, string]) (all []int) {
	for k := range m.All() {
		all = append(all, k)
	}
	return all
}

func TestEvictsTheIdlest(t *testing.T) {
	m := New[int, string](3)
	for _, k := range []int{1, 2, 3} {
		if _, _, evicted := m.Put(k, fmt.Sprint(k)); evicted {
			t.Errorf("%d found no room", k)
		}
	}
	m.Get(1)      // used
	m.Peek(2)     // not used
	m.Put(3, "x") // used, and not new
	if k, v, evicted := m.Put(4, "4"); k != 2 || v != "2" || !evicted {
		t.Errorf("evicted %d %q %v, not the idlest", k, v, evicted)
	}
	if got := keys(m); !slices.Equal(got, []int{1, 3, 4}) {
		t.Errorf("left, the idlest first: %d", got)
	}
	if v, ok := m.Peek(3); v != "x" || !ok {
		t.Errorf("3 is %q %v", v, ok)
	}
	if m.Evicted() != 1 || m.Len() != 3 {
		t.Errorf("%d evicted, %d left", m.Evicted(), m.Len())
	}
}

func TestDelete(t *testing.T) {
	m := New[int, string](2)
	m.Put(1, "a")
	m.Put(2, "b")
	if v, ok := m.Delete(1); v != "a" || !ok {
		t.Errorf("deleted %q %v", v, ok)
	}
	if v, ok := m.Delete(1); v != "" || ok {
		t.Errorf("deleted %q %v again", v, ok)
	}
	if _, _, evicted := m.Put(3, "c"); evicted || m.Evicted() != 0 {
		t.Error("a deleted entry's room is not free")
	}
	if k, _, ok := m.Idlest(); k != 2 || !ok {
		t.Errorf("the idlest is %d %v", k, ok)
	}
}

func TestEmpty(t *testing.T) {
	m := New[int, string](0) // as 1
	if _, _, ok := m.Idlest(); ok {
		t.Error("something is idle in an empty map")
	}
	if _, ok := m.Get(1); ok {
		t.Error("an empty map has 1")
	}
	m.Put(1, "a")
	m.Put(2, "b")
	if got := keys(m); !slices.Equal(got, []int{2}) {
		t.Errorf("a map of one holds %d", got)
	}
}

func TestDeleteWhileGoingThrough(t *testing.T) {
	m := New[int, string](10)
	for k := range 10 {
		m.Put(k, "")
	}
	for k := range m.All() {
		if k%2 == 0 {
			m.Delete(k)
		}
		if k == 7 {
			break
		}
	}
	if got := keys(m); !slices.Equal(got, []int{1, 3, 5, 7, 8, 9}) {
		t.Errorf("left: %d", got)
	}
}

// Against a slice that holds the keys by idleness.
func TestRandomUse(t *testing.T) {
	const limit = 8
	rng := rand.New(rand.NewPCG(1, 2))
	m, want := New[int, string](limit), []int{}
	for range 10_000 {
		k := rng.IntN(3 * limit)
		at := slices.Index(want, k)
		switch rng.IntN(3) {
		case 0:
			m.Get(k)
			if at >= 0 {
				want = append(slices.Delete(want, at, at+1), k)
			}
		case 1:
			m.Delete(k)
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
		case 2:
			m.Put(k, "")
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
			want = append(want, k)
			want = want[max(0, len(want)-limit):]
		}
		if got := keys(m); !slices.Equal(got, want) {
			t.Fatalf("holds %d, not %d", got, want)
		}
	}
}

// A full map reuses what it evicts.
func TestPutDoesNotAllocate(t *testing.T) {
	m := New[int, int](64)
	k := 0
	put := func() {
		m.Put(k, k)
		k++
	}
	for range 1000 {
		put()
	}
	if n := testing.AllocsPerRun(1000, put); n >= 1 {
		t.Errorf("%v allocations for each Put", n)
	}
}

func BenchmarkPutEvicting(b *testing.B) {
	for _, limit := range []int{1 << 8, 1 << 16} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			m := New[int, int](limit)
			for k := range limit {
				m.Put(k, k)
			}
			k := limit
			for b.Loop() {
				m.Put(k, k)
				k++
			}
		})
	}
}

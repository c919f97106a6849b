package assemble

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// Against a slice, the oldest first.
func TestWaitlist(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s, want := newWaitlist[wire.PayloadKey](), []wire.PayloadKey{}
	first := func(of func(wire.PayloadKey) bool) (k wire.PayloadKey, ok bool) {
		i := slices.IndexFunc(want, of)
		if i < 0 {
			return k, false
		}
		k = want[i]
		want = slices.Delete(want, i, i+1)
		return k, true
	}
	for range 20_000 {
		key := wire.PayloadKey{Conn: rng.Uint64N(4), Seq: rng.Uint64N(5)}
		same := func(k wire.PayloadKey) bool { return k == key }
		var got, expected wire.PayloadKey
		var gotOK, expectedOK bool
		switch rng.IntN(8) {
		default:
			first(same)
			want = append(want, key)
			s.put(key, key)
		case 0:
			got, gotOK = s.pop(key)
			expected, expectedOK = first(same)
		case 1:
			got, gotOK = s.popOldest()
			expected, expectedOK = first(func(wire.PayloadKey) bool { return true })
		case 2:
			got, gotOK = s.popFirst(key.Conn)
			expected, expectedOK = first(func(k wire.PayloadKey) bool { return k.Conn == key.Conn })
		}
		if got != expected || gotOK != expectedOK || s.len() != len(want) || s.has(key) != slices.Contains(want, key) {
			t.Fatalf("took %v %v, want %v %v; %d are left, want %d", got, gotOK, expected, expectedOK, s.len(), len(want))
		}
	}
	for s.len() > 0 {
		s.popOldest()
	}
	if s.oldest != nil || len(s.conns) != 0 {
		t.Errorf("an empty shelf knows of %v and of %d connections", s.oldest, len(s.conns))
	}
}

// orphans are payloads of a connection of their own each, whose records never
// come.
func orphans(a *Assembler, n int) {
	for i := range uint64(n) {
		a.keepPayload(wire.Payload{Key: wire.PayloadKey{Conn: 1000 + i}, Data: []byte("orphan")})
	}
}

// closing closes a connection.
func closing(tb testing.TB, a *Assembler) {
	w := socketEvent(event.SocketClose)
	if err := a.Add(&w, func(event.Event) error { return nil }); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkClose(b *testing.B) {
	for name, kept := range map[string]int{"none": 0, "16k": maxPayloads} {
		b.Run(name, func(b *testing.B) {
			a := New(nil, Options{})
			orphans(a, kept)
			for b.Loop() {
				closing(b, a)
			}
		})
	}
}

// A close costs the same whatever is kept of others. Walking 16,384 payloads takes
// thousands of times as long, so a busy machine cannot change the result.
func TestCloseWalksNothing(t *testing.T) {
	quickest := func(kept int) time.Duration {
		a := New(nil, Options{})
		orphans(a, kept)
		best := time.Hour
		for range 20 {
			begin := time.Now()
			for range 10 {
				closing(t, a)
			}
			best = min(best, time.Since(begin))
		}
		if a.payloads.len() != kept {
			t.Errorf("%d of %d payloads of others are left", a.payloads.len(), kept)
		}
		return best
	}
	none, many := quickest(0), quickest(maxPayloads)
	if many > 50*none {
		t.Errorf("ten closes take %v beside %d kept payloads, and %v without", many, maxPayloads, none)
	}
}

// If there are too many connections whose close was lost, their records are released,
// those of the longest idle connection first.
func TestWaitingConnectionsAreBounded(t *testing.T) {
	b := newBench()
	for conn := range uint64(maxWaiting) {
		w := unsentTX(0, 1)
		if conn%2 == 0 {
			w = inCall(1, 11)
		}
		b.feed(t, ofConn(conn+1, w))
	}
	b.expect(t, "")
	b.feed(t, ofConn(1, unsentTX(0, 5)))
	b.expect(t, "tx0.1") // of 2: 1 has just been used
	b.feed(t, ofConn(maxWaiting+1, inCall(7, 11)), ofConn(maxWaiting+2, inCall(8, 11)))
	b.expect(t, "rx0.1 tx0.1") // of 3 and 4
	if b.waits != maxWaiting || b.conns.Len() != maxWaiting-1 {
		t.Errorf("%d records of %d connections wait", b.waits, b.conns.Len())
	}
	if err := b.Flush(b.out); err != nil {
		t.Fatal(err)
	}
	if len(b.got) != maxWaiting {
		t.Errorf("%d records came out at the end", len(b.got))
	}
	b.expectEmpty(t)
}

// Completions whose records were lost are dropped one by one, the oldest first.
func TestCompletionsAreBounded(t *testing.T) {
	b := newBench()
	for seq := range uint64(maxPayloads + 2) {
		b.feed(t, undecipherable(seq))
	}
	if len(b.got) != 2 || b.got[0].(*event.Error).Seq != 0 || b.got[1].(*event.Error).Seq != 1 {
		t.Errorf("released: %v", b.got)
	}
	if b.async.len() != maxPayloads {
		t.Errorf("%d completions are kept", b.async.len())
	}
}

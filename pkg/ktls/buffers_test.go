package ktls

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

// TestWriteBuffers compares what arrives, and in how many records: slices share them, in
// whatever number and sizes they come.
func TestWriteBuffers(t *testing.T) { eachMode(t, testWriteBuffers) }

func testWriteBuffers(t *testing.T, m mode) {
	slice := func(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n >> 8), 7}, n)[:n] }
	many := func(count, n int) (v net.Buffers) {
		for i := range count {
			v = append(v, slice(n+i%3))
		}
		return v
	}
	for _, tc := range []struct {
		name    string
		v       net.Buffers
		records int // as the kernel makes them
	}{
		{"none", nil, 0},
		{"empty", net.Buffers{nil, {}}, 0},
		{"frame", net.Buffers{slice(9), slice(500)}, 1},
		{"with empty", net.Buffers{{}, slice(9), nil, slice(500), {}}, 1},
		{"one record", net.Buffers{slice(9), slice(16375)}, 1},
		{"one byte more", net.Buffers{slice(9), slice(16376)}, 2},
		{"several records", net.Buffers{slice(50000), slice(1), slice(20000)}, 5},
		{"many", many(1000, 9), 1},
		{"as many as one call takes", many(1024, 9), 1},
		{"more than one call takes", many(2500, 9), 2},
		{"empty ones behind a full call", append(many(1024, 9), make(net.Buffers, 10)...), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, s := connPair(t, m, clientConfig(), serverConfig())
			before, want := sealedBy(t, s), slices.Concat(tc.v...)
			background(t, func() {
				v := slices.Clone(tc.v)
				if n, err := s.WriteBuffers(&v); n != int64(len(want)) || err != nil || len(v) != 0 {
					t.Errorf("sent %d of %d bytes, %v; %d slices are left", n, len(want), err, len(v))
				}
				_ = s.CloseWrite()
			})
			if got, err := io.ReadAll(c); !bytes.Equal(got, want) || err != nil {
				t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
			}
			if m.offloaded() && sealedBy(t, s)-before != uint64(tc.records+1) { // and close_notify
				t.Errorf("%d records, want %d", sealedBy(t, s)-before-1, tc.records)
			}
		})
	}
}

// sealedBy returns how many records c has sealed under its key, and 0 in user space.
func sealedBy(t testing.TB, c *Conn) uint64 {
	t.Helper()
	k, err := c.kernel()
	if err != nil {
		return 0
	}
	n, err := k.sock.sealed()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWriteBuffersDeadline: a deadline in the middle leaves in v what has not been sent, and
// the rest goes out by a second call.
func TestWriteBuffersDeadline(t *testing.T) { eachMode(t, testWriteBuffersDeadline) }

func testWriteBuffersDeadline(t *testing.T, m mode) {
	if m.soft {
		t.Skip("the soft socket has no way out of a half-written record")
	}
	c, s := connPair(t, m, clientConfig(), serverConfig())
	want := make([]byte, 32<<20) // more than the buffers of loopback take
	rand.New(rand.NewSource(1)).Read(want)
	var v net.Buffers
	for rest := want; len(rest) > 0; rest = rest[min(len(rest), 5000):] {
		v = append(v, rest[:min(len(rest), 5000)])
	}
	background(t, func() {
		mustRead(t, c, string(want[:100])) // the deadline must not strike before the write has begun
		_ = s.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	})
	first, err := s.WriteBuffers(&v)
	if left := len(slices.Concat(v...)); !errors.Is(err, os.ErrDeadlineExceeded) || first == 0 || int(first)+left != len(want) {
		t.Fatalf("sent %d of %d bytes, %v; %d are left", first, len(want), err, left)
	}
	_ = s.SetWriteDeadline(time.Time{})
	background(t, func() {
		if n, err := s.WriteBuffers(&v); n+first != int64(len(want)) || err != nil || len(v) != 0 {
			t.Errorf("sent %d and then %d of %d bytes, %v", first, n, len(want), err)
		}
		_ = s.CloseWrite()
	})
	if got, err := io.ReadAll(c); !bytes.Equal(got, want[100:]) || err != nil {
		t.Errorf("got 100 and %d of %d bytes, %v", len(got), len(want), err)
	}
}

// BenchmarkFrame sends a frame's header of 9 bytes and its body of 500: by a Write for each,
// which is what net.Buffers does with a Conn, and by WriteBuffers.
func BenchmarkFrame(b *testing.B) {
	header, body := make([]byte, 9), make([]byte, 500)
	for _, m := range []mode{inUser, inKernel} {
		send := func(name string, send func(s *Conn) error) {
			b.Run(m.name+"/"+name, func(b *testing.B) {
				if m.name == inKernel.name {
					needKernel(b)
				}
				c, s := connPair(b, m, clientConfig(), serverConfig())
				background(b, func() { _, _ = io.Copy(io.Discard, onlyReader{c}) })
				before := sealedBy(b, s)
				for b.Loop() {
					if err := send(s); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(sealedBy(b, s)-before)/float64(b.N), "records/op")
				_ = s.CloseWrite()
			})
		}
		send("net.Buffers", func(s *Conn) error { _, err := (&net.Buffers{header, body}).WriteTo(s); return err })
		send("WriteBuffers", func(s *Conn) error { _, err := s.WriteBuffers(&net.Buffers{header, body}); return err })
	}
}

// TestWriteBuffersAfterEnd: an end of writing, by this side or by a close, is an error that
// consumes nothing.
func TestWriteBuffersAfterEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		_, s := connPair(t, m, clientConfig(), serverConfig())
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		v := net.Buffers{[]byte("too"), []byte("late")}
		if n, err := s.WriteBuffers(&v); n != 0 || err == nil || len(v) != 2 {
			t.Errorf("sent %d bytes, %v; %d slices are left", n, err, len(v))
		}
	})
}

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// proxied is a connection from a sender to a proxy and one from there to a receiver.
type proxied struct{ sender, in, out, receiver *Conn }

func newProxied(t testing.TB, in, out mode) *proxied {
	t.Helper()
	p := &proxied{}
	config := clientConfig()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1) // tickets are fed on the way
	p.in, p.sender = connPair(t, in, config, serverConfig())
	p.receiver, p.out = connPair(t, out, clientConfig(), serverConfig())
	return p
}

// eachProxy runs f where both connections are in one mode, and with a proxy that has one of
// them in user space.
func eachProxy(t *testing.T, f func(t *testing.T, p *proxied, in, out mode)) {
	eachMode(t, func(t *testing.T, m mode) {
		f(t, newProxied(t, m, m), m, m)
		if m.offloaded() {
			t.Run("to user space", func(t *testing.T) { f(t, newProxied(t, m, inUser), m, inUser) })
			t.Run("from user space", func(t *testing.T) { f(t, newProxied(t, inUser, m), inUser, m) })
		}
	})
}

// TestProxy copies from one connection to another what comes in writes of random sizes, with
// alerts to skip and changes of both keys on the way.
func TestProxy(t *testing.T) { eachProxy(t, testProxy) }

func testProxy(t *testing.T, p *proxied, in, out mode) {
	random := rand.New(rand.NewSource(1))
	want := make([]byte, 1<<20)
	random.Read(want)
	background(t, func() {
		for rest, i := want, 0; len(rest) > 0; i++ {
			n := min(len(rest), 1+random.Intn(40000))
			mustWrite(t, p.sender, string(rest[:n]))
			rest = rest[n:]
			if i%8 == 3 && in.rekeys() {
				if err := p.sender.KeyUpdate(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if i%8 == 5 && in.offloaded() {
				send(t, p.sender, raw.TypeAlert, 1, 90) // user_canceled
			}
			if i%8 == 7 && out.rekeys() {
				if err := p.out.KeyUpdate(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
		_ = p.sender.CloseWrite()
	})
	background(t, func() {
		if n, err := io.Copy(p.out, p.in); n != int64(len(want)) || err != nil {
			t.Errorf("copied %d of %d bytes, %v", n, len(want), err)
		}
		_ = p.out.CloseWrite()
	})
	if got, err := io.ReadAll(p.receiver); !bytes.Equal(got, want) || err != nil {
		t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
	}
}

// TestProxyKeyLimit: the key that seals spliced bytes is changed before its limit too.
func TestProxyKeyLimit(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *proxied, _, out mode) {
		const limit, records = 10, 50
		if out.offloaded() {
			p.out.layer.(*kernelLayer).use = keyUse{limit: limit}
		}
		background(t, func() {
			_, _ = io.Copy(p.out, p.in)
			_ = p.out.CloseWrite()
		})
		var most uint64
		for range records { // one after the other, so that each comes as a record of its own
			mustWrite(t, p.sender, "bytes")
			mustRead(t, p.receiver, "bytes")
			most = max(most, sealedBy(t, p.out))
		}
		_ = p.sender.CloseWrite()
		mustEOF(t, p.receiver)
		if out.rekeys() && (most < limit-2 || most > limit+2) {
			t.Errorf("a key has sealed up to %d records, want about %d", most, limit)
		}
	})
}

// TestProxyIsInterrupted: a read deadline ends a copy and loses nothing.
func TestProxyIsInterrupted(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *proxied, _, _ mode) {
		mustWrite(t, p.sender, "first")
		ended := copying(p.out, p.in)
		mustRead(t, p.receiver, "first")
		_ = p.in.SetReadDeadline(time.Unix(1, 0))
		if got := <-ended; got.n != 5 || !errors.Is(got.err, os.ErrDeadlineExceeded) {
			t.Errorf("copied %d bytes, %v", got.n, got.err)
		}
		_ = p.in.SetReadDeadline(time.Time{})
		mustWrite(t, p.sender, "second")
		if n, err := io.CopyN(p.out, p.in, 6); n != 6 || err != nil {
			t.Errorf("copied %d bytes, %v", n, err)
		}
		mustRead(t, p.receiver, "second")
	})
}

// copied is what an io.Copy returned.
type copied struct {
	n   int64
	err error
}

// copying runs an io.Copy in the background and sends its result.
func copying(dst io.Writer, src io.Reader) <-chan copied {
	ended := make(chan copied, 1)
	go func() {
		n, err := io.Copy(dst, src)
		ended <- copied{n, err}
	}()
	return ended
}

// TestProxyCloses: a Close of either connection ends a copy: of the one that it reads from while
// it waits for data, of the one that it writes to while there is more to send.
func TestProxyCloses(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *proxied, in, out mode) {
		for _, busy := range []bool{false, true} {
			p := newProxied(t, in, out)
			ended := make(chan error, 1)
			background(t, func() {
				_, err := io.Copy(p.out, p.in)
				ended <- err
			})
			mustWrite(t, p.sender, "bytes")
			mustRead(t, p.receiver, "bytes")
			closing := p.in
			if busy { // the receiver reads no more, and the buffers do not take all of it
				closing = p.out
				background(t, func() { _, _ = p.sender.Write(make([]byte, 32<<20)) })
			}
			_ = closing.Close()
			// A Close between two writes sends close_notify first.
			if err := <-ended; !errors.Is(err, net.ErrClosed) && !errors.Is(err, errShutdown) {
				t.Errorf("busy %v: %v", busy, err)
			}
			_ = p.in.Close() // the sender need not wait
		}
	})
}

// TestProxyPart copies exactly as much as an io.LimitedReader allows. Read gets the rest.
func TestProxyPart(t *testing.T) { eachProxy(t, testProxyPart) }

func testProxyPart(t *testing.T, p *proxied, _, _ mode) {
	text := strings.Repeat("0123456789", 5000)
	background(t, func() { mustWrite(t, p.sender, text); _ = p.sender.CloseWrite() })
	rest := text
	for _, n := range []int{1, 100, 16384, 20000, 0, 7} {
		if got, err := io.CopyN(p.out, p.in, int64(n)); got != int64(n) || err != nil {
			t.Fatalf("copied %d of %d bytes, %v", got, n, err)
		}
		mustRead(t, p.receiver, rest[:n])
		rest = rest[n:]
	}
	mustRead(t, p.in, rest)
	if n, err := io.CopyN(p.out, p.in, 10); n != 0 || err != io.EOF {
		t.Errorf("at the end: copied %d bytes, %v", n, err)
	}
}

// TestProxyDeadline: a receiver that does not read ends the copy at the write deadline, and
// as many bytes have gone out as the copy says.
func TestProxyDeadline(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *proxied, in, out mode) {
		if in.soft || out.soft {
			t.Skip("the soft socket has no way out of a half-written record")
		}
		want := make([]byte, 32<<20) // more than the buffers of loopback take
		rand.New(rand.NewSource(1)).Read(want)
		background(t, func() { _, _ = p.sender.Write(want) })
		ended := copying(p.out, p.in)
		mustRead(t, p.receiver, string(want[:100])) // the deadline must not strike before the copy has begun
		_ = p.out.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		got := <-ended
		if !errors.Is(got.err, os.ErrDeadlineExceeded) || got.n < 100 {
			t.Fatalf("copied %d bytes, %v", got.n, got.err)
		}
		_ = p.in.Close() // the sender need not wait
		background(t, func() { _ = p.out.CloseWrite() })
		if rest, err := io.ReadAll(p.receiver); !bytes.Equal(rest, want[100:got.n]) || err != nil {
			t.Errorf("copied %d bytes, got 100 and %d, %v", got.n, len(rest), err)
		}
	})
}

// TestProxyFails: an alert of the sender is the copy's error, with the bytes before it sent,
// and so is an end of writing.
func TestProxyFails(t *testing.T) {
	eachProxy(t, func(t *testing.T, p *proxied, in, _ mode) {
		if in.offloaded() {
			mustWrite(t, p.sender, "before")
			send(t, p.sender, raw.TypeAlert, 2, 40) // handshake_failure
			if n, err := io.Copy(p.out, p.in); n != 6 || !errors.Is(err, tls.AlertError(40)) {
				t.Errorf("copied %d bytes, %v", n, err)
			}
			mustRead(t, p.receiver, "before")
			return
		}
		mustWrite(t, p.sender, "lost")
		_ = p.out.CloseWrite()
		if n, err := io.Copy(p.out, p.in); n != 0 || err == nil {
			t.Errorf("copied %d bytes, %v", n, err)
		}
	})
}

// TestEcho copies a connection to itself.
func TestEcho(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		c, s := connPair(t, m, clientConfig(), serverConfig())
		background(t, func() {
			if n, err := io.Copy(s, s); n != 10 || err != nil {
				t.Errorf("copied %d bytes, %v", n, err)
			}
			_ = s.CloseWrite()
		})
		for range 2 {
			mustWrite(t, c, "hello")
			mustRead(t, c, "hello")
		}
		_ = c.CloseWrite()
		mustEOF(t, c)
	})
}

// TestProxySplices looks for the pipe through which the bytes go where the kernel has both
// connections.
func TestProxySplices(t *testing.T) {
	needKernel(t)
	p := newProxied(t, inKernel, inKernel)
	before := pipes(t)
	background(t, func() {
		_, _ = io.Copy(p.out, p.in)
		_ = p.out.CloseWrite()
	})
	mustWrite(t, p.sender, "bytes")
	mustRead(t, p.receiver, "bytes")
	after := pipes(t)
	maps.DeleteFunc(after, func(pipe string, _ int) bool { return before[pipe] > 0 })
	if ends := slices.Collect(maps.Values(after)); !slices.Equal(ends, []int{2}) {
		t.Errorf("new pipes with %d ends, want one with 2", ends)
	}
	_ = p.sender.CloseWrite()
	mustEOF(t, p.receiver)
}

// pipes counts the ends that this process has open of each pipe. Package net keeps pipes for later, and closes them at
// any time.
func pipes(t testing.TB) map[string]int {
	t.Helper()
	ends := map[string]int{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatalf("%d descriptors, %v", len(fds), err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "pipe:") {
			ends[to]++
		}
	}
	return ends
}

package ktls

import (
	"bytes"
	"crypto/tls"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// TestKeyLimit: before a key has sealed as many records as it may, the connection changes it,
// whichever call sends. Where the kernel cannot, the connection goes on.
func TestKeyLimit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 2*maxPlaintext), 0o600); err != nil {
		t.Fatal(err)
	}
	const limit, rounds = 10, 40
	eachMode(t, func(t *testing.T, m mode) {
		if !m.offloaded() {
			t.Skip("crypto/tls has no limit")
		}
		for name, send := range map[string]func(c *Conn) (int64, error){
			"Write": func(c *Conn) (int64, error) {
				n, err := c.Write([]byte("some bytes"))
				return int64(n), err
			},
			"WriteBuffers": func(c *Conn) (int64, error) { return c.WriteBuffers(&net.Buffers{{1}, {2, 3}}) },
			"ReadFrom": func(c *Conn) (int64, error) {
				f, err := os.Open(file)
				if err != nil {
					return 0, err
				}
				defer f.Close()
				return c.ReadFrom(f)
			},
		} {
			t.Run(name, func(t *testing.T) {
				c, s := connPair(t, m, clientConfig(), serverConfig())
				received := make(chan int64, 1)
				background(t, func() {
					n, err := io.Copy(io.Discard, onlyReader{c})
					if err != nil {
						t.Errorf("read: %v", err)
					}
					received <- n
				})
				s.layer.(*kernelLayer).use = keyUse{limit: limit}
				var sent int64
				var most uint64
				for range rounds {
					n, err := send(s)
					if err != nil {
						t.Fatal(err)
					}
					sent += n
					most = max(most, sealedBy(t, s))
				}
				_ = s.CloseWrite()
				if n := <-received; n != sent || n == 0 {
					t.Errorf("sent %d bytes, received %d", sent, n)
				}
				// ReadFrom may add as many records as its file has.
				if m.rekeys() && (most < limit-2 || most > limit+2) {
					t.Errorf("a key has sealed up to %d records, want about %d", most, limit)
				}
				if !m.rekeys() && most < rounds {
					t.Errorf("the key has sealed %d records, want all %d", most, rounds)
				}
			})
		}
	})
}

// TestKeyLimitOfStandardLibrary: a peer in crypto/tls follows the changes of the key.
func TestKeyLimitOfStandardLibrary(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		if m.offloaded() && c.ConnectionState().Version == tls.VersionTLS13 {
			c.layer.(*kernelLayer).use.limit, c.layer.(*kernelLayer).use.left = 3, 0
		}
		want := bytes.Repeat([]byte("record"), 20)
		background(t, func() {
			for range 20 {
				mustWrite(t, c, "record")
			}
		})
		got := make([]byte, len(want))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

// TestKeyLimits holds the limits against RFC 8446, section 5.5.
func TestKeyLimits(t *testing.T) {
	for _, tc := range []struct {
		version uint16
		cipher  raw.Cipher
		want    int64
	}{
		{tls.VersionTLS13, raw.AES128GCM, 1 << 24},
		{tls.VersionTLS13, raw.AES256GCM, 1 << 24},
		{tls.VersionTLS13, raw.ChaCha20Poly1305, math.MaxInt64}, // none
		{tls.VersionTLS12, raw.AES128GCM, math.MaxInt64},        // it has no KeyUpdate
	} {
		if got := newKeyUse(tc.version, tc.cipher, 0).limit; got != tc.want || float64(got) > math.Pow(2, 24.5) && got != math.MaxInt64 {
			t.Errorf("%s, %v: %d, want %d", tls.VersionName(tc.version), tc.cipher, got, tc.want)
		}
	}
}

// asked counts how often a socket is asked for its sequence number.
type asked struct {
	recordSocket
	times int
}

func (a *asked) sealed() (uint64, error) { a.times++; return a.recordSocket.sealed() }

// TestKeyIsLookedAtSeldom: of writes of full records, one in some 60,000 asks the kernel.
func TestKeyIsLookedAtSeldom(t *testing.T) {
	c, s := connPair(t, inSoft, clientConfig(), serverConfig())
	background(t, func() { _, _ = io.Copy(io.Discard, c) })
	k := s.layer.(*kernelLayer)
	socket := &asked{recordSocket: k.sock}
	k.sock = socket
	send := func(n int) {
		for range n {
			mustWrite(t, s, string(make([]byte, maxPlaintext)))
		}
	}
	send(100)
	if socket.times > 0 {
		t.Errorf("asked %d times in 100 writes", socket.times)
	}
	if writes := k.use.left / recordsOf(maxPlaintext, false); writes < 60_000 {
		t.Errorf("asked in %d writes", writes)
	}
	k.use.left = 50 * recordsOf(maxPlaintext, false)
	send(100)
	if socket.times != 1 {
		t.Errorf("asked %d times where 50 writes were left", socket.times)
	}
	_ = s.CloseWrite()
}

// BenchmarkSealed is what a look at the kernel's sequence number takes.
func BenchmarkSealed(b *testing.B) {
	needKernel(b)
	_, s := connPair(b, inKernel, clientConfig(), serverConfig())
	k := s.layer.(*kernelLayer)
	for b.Loop() {
		if _, err := k.sock.sealed(); err != nil {
			b.Fatal(err)
		}
	}
}

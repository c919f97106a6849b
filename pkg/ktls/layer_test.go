package ktls

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// send sends one record of any type from a Conn that is not in user space.
func send(t testing.TB, c *Conn, typ raw.ContentType, content ...byte) {
	t.Helper()
	k, err := c.kernel()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.sock.send(typ, content); err != nil {
		t.Fatal(err)
	}
}

// unseen is for an alert that is a warning, over which TLS 1.2 passes.
const unseen tls.AlertError = 255

// TestReceivedRecords has the peer send what is not application data.
func TestReceivedRecords(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, tc := range []struct {
			name    string
			version uint16
			typ     raw.ContentType
			content []byte
			want    error          // what Read returns; nil: it goes on
			alert   tls.AlertError // what the peer then reads
		}{
			{"close_notify", tls.VersionTLS13, raw.TypeAlert, []byte{1, 0}, io.EOF, 0},
			{"fatal alert", tls.VersionTLS13, raw.TypeAlert, []byte{2, 40}, tls.AlertError(40), 0},
			{"user_canceled", tls.VersionTLS13, raw.TypeAlert, []byte{1, 90}, nil, 0},
			{"warning 1.2", tls.VersionTLS12, raw.TypeAlert, []byte{1, 41}, nil, 0},
			{"fatal 1.2", tls.VersionTLS12, raw.TypeAlert, []byte{2, 80}, tls.AlertError(80), 0},
			{"bad level 1.2", tls.VersionTLS12, raw.TypeAlert, []byte{3, 80}, alertUnexpectedMessage, alertUnexpectedMessage},
			{"renegotiation 1.2", tls.VersionTLS12, raw.TypeHandshake, []byte{0, 0, 0, 0}, alertNoRenegotiation, unseen},
			{"ticket", tls.VersionTLS13, raw.TypeHandshake, []byte{4, 0, 0, 2, 0, 0}, nil, 0},
			{"finished", tls.VersionTLS13, raw.TypeHandshake, []byte{20, 0, 0, 0}, alertUnexpectedMessage, alertUnexpectedMessage},
			{"long message", tls.VersionTLS13, raw.TypeHandshake, []byte{4, 2, 0, 0, 0}, errMessageTooLong, alertInternalError},
			{"bad KeyUpdate", tls.VersionTLS13, raw.TypeHandshake, []byte{24, 0, 0, 1, 2}, alertIllegalParameter, alertIllegalParameter},
			{"long KeyUpdate", tls.VersionTLS13, raw.TypeHandshake, []byte{24, 0, 0, 2, 0, 0}, alertDecodeError, alertDecodeError},
			{"KeyUpdate and more", tls.VersionTLS13, raw.TypeHandshake, []byte{24, 0, 0, 1, 0, 4}, alertUnexpectedMessage, alertUnexpectedMessage},
			{"change_cipher_spec", tls.VersionTLS13, raw.TypeChangeCipherSpec, []byte{1}, alertUnexpectedMessage, alertUnexpectedMessage},
			{"unknown type", tls.VersionTLS12, 99, []byte{1}, alertUnexpectedMessage, alertUnexpectedMessage},
		} {
			t.Run(tc.name, func(t *testing.T) {
				if !m.offloaded() {
					t.Skip("crypto/tls has its own tests of this")
				}
				c, s := connPair(t, m, only(clientConfig(), tc.version), serverConfig())
				send(t, s, tc.typ, tc.content...)
				mustWrite(t, s, "after")
				if tc.want == nil {
					mustRead(t, c, "after")
					return
				}
				_, err := c.Read(make([]byte, 100))
				if !errors.Is(err, tc.want) {
					t.Fatalf("read: %v, want %v", err, tc.want)
				}
				if _, again := c.Read(make([]byte, 100)); again != err {
					t.Errorf("second read: %v", again)
				}
				if tc.alert == unseen {
					_ = c.Close()
				}
				if tc.alert == 0 {
					mustWrite(t, c, "still writes")
					return
				}
				if _, err := s.Read(make([]byte, 100)); tc.alert != unseen && !errors.Is(err, tc.alert) {
					t.Errorf("peer read: %v, want %v", err, tc.alert)
				}
				if _, err := c.Write([]byte("x")); err == nil {
					t.Error("write succeeded")
				}
			})
		}
	})
}

func TestFragmentedMessage(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if !m.offloaded() {
			t.Skip("crypto/tls has its own tests of this")
		}
		c, s := connPair(t, m, clientConfig(), serverConfig())
		send(t, s, raw.TypeHandshake, 4, 0, 0)
		send(t, s, raw.TypeHandshake, 2, 0, 0, 4, 0)
		send(t, s, raw.TypeHandshake, 0, 0)
		mustWrite(t, s, "data")
		mustRead(t, c, "data")
		send(t, s, raw.TypeHandshake, 4, 0, 0)
		mustWrite(t, s, "data")
		if _, err := c.Read(make([]byte, 100)); !errors.Is(err, alertUnexpectedMessage) {
			t.Errorf("data within a message: %v", err)
		}
	})
}

func TestTooManyUselessRecords(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if !m.offloaded() {
			t.Skip("crypto/tls has its own tests of this")
		}
		c, s := connPair(t, m, clientConfig(), serverConfig())
		for range maxUseless {
			send(t, s, raw.TypeAlert, 1, 90)
		}
		mustWrite(t, s, "data")
		mustRead(t, c, "data")
		for range maxUseless + 1 {
			send(t, s, raw.TypeAlert, 1, 90)
		}
		if _, err := c.Read(make([]byte, 100)); err != errTooMany {
			t.Errorf("read: %v", err)
		}
	})
}

// TestBadRecord damages a record on the way.
func TestBadRecord(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		bad := append(recordHeader(raw.TypeApplicationData, 100), make([]byte, 100)...)
		if _, err := peer.NetConn().Write(bad); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 100))
		if err == nil || err == io.EOF {
			t.Fatalf("read: %v", err)
		}
		if _, err := peer.Read(make([]byte, 100)); err == nil || err.Error() != "remote error: tls: bad record MAC" {
			t.Errorf("peer read: %v", err)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("write succeeded")
		}
	})
}

func TestReset(t *testing.T) { eachMode(t, testReset) }

func testReset(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	if err := s.UnsafeNetConn().(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = s.UnsafeNetConn().Close()
	_, err := c.Read(make([]byte, 1))
	if _, ok := errors.AsType[*net.OpError](err); !ok {
		t.Errorf("read after reset: %v", err)
	}
}

// TestResetByPeer and the test after it are what crypto/tls does at the other end.
func TestResetByPeer(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		mustWrite(t, peer, "before")
		mustRead(t, c, "before")
		if err := peer.NetConn().(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		_ = peer.NetConn().Close()
		_, err := c.Read(make([]byte, 1))
		if _, ok := errors.AsType[*net.OpError](err); !ok || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after reset: %v", err)
		}
	})
}

// TestHalfCloseByPeer: each end closes its half first, once.
func TestHalfCloseByPeer(t *testing.T) {
	type half interface {
		net.Conn
		CloseWrite() error
	}
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		first, second := half(c), half(peer)
		if c.isClient {
			first, second = second, first
		}
		mustWrite(t, first, "question")
		if err := first.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		mustRead(t, second, "question")
		mustEOF(t, second)
		mustWrite(t, second, "answer")
		mustRead(t, first, "answer")
		if err := second.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		mustEOF(t, first)
	})
}

// TestKeyUpdate changes keys again and again from either side, in the middle of a transfer.
func TestKeyUpdate(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if !m.rekeys() {
			t.Skip("see TestKeyUpdateRefused")
		}
		c, s := connPair(t, m, clientConfig(), serverConfig())
		for i := range 4 {
			a, b := c, s
			if i%2 == 1 {
				a, b = s, c
			}
			for range 2 {
				if err := a.KeyUpdate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			mustWrite(t, a, "new key")
			mustRead(t, b, "new key")
			mustWrite(t, b, "answer")
			mustRead(t, a, "answer")
		}
		exchange(t, c, s, 200_000, func(end net.Conn) {
			if err := end.(*Conn).KeyUpdate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestKeyUpdateFromStandardLibrary: crypto/tls answers a KeyUpdate, but never starts one.
func TestKeyUpdateFromStandardLibrary(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		if !m.rekeys() {
			t.Skip("see TestKeyUpdateRefused")
		}
		if err := c.KeyUpdate(t.Context()); c.ConnectionState().Version == tls.VersionTLS12 {
			if !errors.Is(err, ErrKeyUpdateVersion) {
				t.Errorf("key update: %v", err)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, c, "to peer")
		mustRead(t, peer, "to peer")
		mustWrite(t, peer, "to us")
		mustRead(t, c, "to us")
	})
}

// TestKeyUpdateRefused: where the kernel cannot change keys, this end does not start, and a
// peer that starts gets an alert.
func TestKeyUpdateRefused(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if m.rekeys() || !m.offloaded() {
			t.Skip("see TestKeyUpdate")
		}
		a, b := tcpPair(t)
		c, s := m.client(a, clientConfig()), inSoft.server(b, serverConfig())
		shake(t, c, s)
		if err := c.KeyUpdate(t.Context()); !errors.Is(err, ErrRekey) {
			t.Fatalf("key update: %v", err)
		}
		mustWrite(t, c, "goes on")
		mustRead(t, s, "goes on")
		if err := s.KeyUpdate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrRekey) {
			t.Errorf("read: %v", err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, alertInternalError) {
			t.Errorf("peer read: %v", err)
		}
	})
}

// TestPendingKeyUpdate: a KeyUpdate that comes while a Write waits is answered by a later Write.
func TestPendingKeyUpdate(t *testing.T) {
	c, s := connPair(t, inSoft, clientConfig(), serverConfig())
	k, err := c.kernel()
	if err != nil {
		t.Fatal(err)
	}
	k.writing.lock() // as a Write that waits does
	if err := s.KeyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "after")
	mustRead(t, c, "after")
	if !k.answerDue.Load() {
		t.Error("no answer is due")
	}
	k.writing.unlock()
	mustWrite(t, c, "answer")
	mustRead(t, s, "answer")
	if k.answerDue.Load() {
		t.Error("the answer is still due")
	}
}

// TestLargeTransfers goes both ways at once, by crypto/tls's record sizes and by ours.
func TestLargeTransfers(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		exchange(t, c, peer, 300_000, func(net.Conn) {})
	})
}

// TestKeyUpdateContext ends the wait for a writer with the context.
func TestKeyUpdateContext(t *testing.T) {
	c, s := connPair(t, inSoft, clientConfig(), serverConfig())
	k, err := c.kernel()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.writing.lock()
	if err := c.KeyUpdate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("key update: %v", err)
	}
	k.writing.unlock()
	mustWrite(t, c, "goes on")
	mustRead(t, s, "goes on")
}

// exchange sends n bytes each way at once and compares digests. meanwhile runs a few times
// between the writes of each end.
func exchange(t *testing.T, c, s net.Conn, n int, meanwhile func(end net.Conn)) {
	t.Helper()
	data := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(data)
	var wg sync.WaitGroup
	for _, end := range []net.Conn{c, s} {
		wg.Go(func() {
			for rest := data; len(rest) > 0; {
				m := min(len(rest), n/4)
				if _, err := end.Write(rest[:m]); err != nil {
					t.Error(err)
				}
				rest = rest[m:]
				meanwhile(end)
			}
		})
	}
	for _, end := range []net.Conn{c, s} {
		wg.Go(func() {
			h := sha256.New()
			if _, err := io.CopyN(h, onlyReader{end}, int64(n)); err != nil {
				t.Error(err)
			}
			if want := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), want[:]) {
				t.Error("digests differ")
			}
		})
	}
	wg.Wait()
}

// TestReadFromSizes sends files whose last record is not full, and looks for it before the
// connection is closed: Linux before 6.5 holds it back when sendfile is asked for too much.
func TestReadFromSizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	eachMode(t, func(t *testing.T, m mode) {
		for _, size := range []int{0, 1, 100, 16384, 16385, 70000} {
			for _, limit := range []int{-1, size / 2, size + 100} {
				t.Run(fmt.Sprintf("%d/%d", size, limit), func(t *testing.T) {
					data := bytes.Repeat([]byte("x"), size)
					if err := os.WriteFile(path, data, 0o600); err != nil {
						t.Fatal(err)
					}
					f, err := os.Open(path)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { f.Close() })
					c, s := connPair(t, m, clientConfig(), serverConfig())
					var src io.Reader = f
					want := data
					if limit >= 0 {
						src = io.LimitReader(f, int64(limit))
						want = data[:min(limit, size)]
					}
					background(t, func() {
						if n, err := s.ReadFrom(src); n != int64(len(want)) || err != nil {
							t.Errorf("sent %d of %d bytes, %v", n, len(want), err)
						}
					})
					mustRead(t, c, string(want))
				})
			}
		}
	})
}

// TestReadFromSocket splices a TCP connection in.
func TestReadFromSocket(t *testing.T) { eachMode(t, testReadFromSocket) }

func testReadFromSocket(t *testing.T, m mode) {
	want := string(bytes.Repeat([]byte("0123456789"), 5000))
	src, feed := tcpPair(t)
	background(t, func() {
		_, _ = io.WriteString(feed, want)
		_ = feed.Close()
	})
	c, s := connPair(t, m, clientConfig(), serverConfig())
	background(t, func() {
		if n, err := io.Copy(s, src); n != int64(len(want)) || err != nil {
			t.Errorf("sent %d of %d bytes, %v", n, len(want), err)
		}
	})
	mustRead(t, c, want)
}

// TestWriteToSocket splices out to a TCP connection, past tickets and other records on the
// way.
func TestWriteToSocket(t *testing.T) { eachMode(t, testWriteToSocket) }

func testWriteToSocket(t *testing.T, m mode) {
	want := string(bytes.Repeat([]byte("0123456789"), 5000))
	config := clientConfig()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	c, s := connPair(t, m, config, serverConfig())
	background(t, func() {
		_, _ = io.WriteString(s, want[:20000])
		if m.rekeys() {
			_ = s.KeyUpdate(t.Context())
		}
		if m.offloaded() {
			send(t, s, raw.TypeAlert, 1, 90)
		}
		_, _ = io.WriteString(s, want[20000:])
		_ = s.Close()
	})
	dst, sink := tcpPair(t)
	background(t, func() {
		if n, err := io.Copy(dst, c); n != int64(len(want)) || err != nil {
			t.Errorf("copied %d of %d bytes, %v", n, len(want), err)
		}
		_ = dst.Close()
	})
	got, err := io.ReadAll(sink)
	if string(got) != want || err != nil {
		t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
	}
}

// TestWriteToIsInterrupted: a deadline ends WriteTo and loses nothing.
func TestWriteToIsInterrupted(t *testing.T) { eachMode(t, testWriteToIsInterrupted) }

func testWriteToIsInterrupted(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	mustWrite(t, s, "first")
	dst, sink := tcpPair(t)
	ended := copying(dst, c)
	mustRead(t, sink, "first")
	_ = c.SetReadDeadline(time.Unix(1, 0))
	if got := <-ended; got.n != 5 || !errors.Is(got.err, os.ErrDeadlineExceeded) {
		t.Errorf("copied %d bytes, %v", got.n, got.err)
	}
	_ = c.SetReadDeadline(time.Time{})
	mustWrite(t, s, "second")
	mustRead(t, c, "second")
}

func TestOptions(t *testing.T) { eachMode(t, testOptions) }

func testOptions(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig(), func(c *Config) { c.NoPad, c.ZeroCopy = true, true })
	for _, set := range []func(bool) error{c.SetNoPad, c.SetZeroCopy} {
		if err := set(true); (err == nil) != m.offloaded() {
			t.Errorf("set option: %v", err)
		}
	}
	mustWrite(t, s, "data")
	mustRead(t, c, "data")
}

// TestOffloadMode: in the guest, as root, the kernel distinguishes software from hardware.
func TestOffloadMode(t *testing.T) {
	needKernel(t)
	c, s := connPair(t, inKernel, clientConfig(), serverConfig())
	want := Offload{TX: DirectionState{Mode: ModeSoftware}, RX: DirectionState{Mode: ModeSoftware}}
	for _, conn := range []*Conn{c, s} {
		if got := conn.Offload(); got != want && inGuest() {
			t.Errorf("offload: %+v, want %+v", got, want)
		}
	}
}

// TestThreeGoroutines reads, writes and closes at once.
func TestThreeGoroutines(t *testing.T) { eachMode(t, testThreeGoroutines) }

func testThreeGoroutines(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	go func() { _, _ = io.Copy(s, onlyReader{s}) }()
	var wg sync.WaitGroup
	came := make(chan struct{}) // some of what was written has come back
	wg.Go(func() {
		_, _ = io.CopyN(io.Discard, c, 1<<16)
		close(came)
		_, _ = io.Copy(io.Discard, c)
	})
	wg.Go(func() {
		for {
			if _, err := c.Write(make([]byte, 2000)); err != nil {
				return
			}
		}
	})
	<-came
	_ = c.Close()
	wg.Wait()
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("write after close succeeded")
	}
}

// TestCloseWithoutReader does not wait for a peer that does not read, and ends the write that waits for it.
func TestCloseWithoutReader(t *testing.T) { eachMode(t, testCloseWithoutReader) }

func testCloseWithoutReader(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	done := make(chan struct{})
	background(t, func() {
		defer close(done)
		if n, err := c.Write(make([]byte, 64<<20)); err == nil { // more than both sockets hold
			t.Errorf("wrote %d bytes to nobody", n)
		}
	})
	mustRead(t, s, "\x00") // the write is under way
	start := time.Now()
	_ = c.Close()
	<-done
	if d := time.Since(start); d > 30*time.Second { // far from closeTimeout, and from the connection's deadline
		t.Errorf("close took %v", d)
	}
}

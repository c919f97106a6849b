package ktls

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// testCert is a certificate for "test.invalid", its own authority.
var testCert = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test.invalid"}, DNSNames: []string{"test.invalid"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

func testPool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(testCert().Leaf)
	return pool
}

func serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{testCert()}, MinVersion: tls.VersionTLS12}
}

func clientConfig() *tls.Config {
	return &tls.Config{RootCAs: testPool(), ServerName: "test.invalid", MinVersion: tls.VersionTLS12}
}

// only returns config for one protocol version.
func only(config *tls.Config, version uint16) *tls.Config {
	config.MinVersion, config.MaxVersion = version, version
	return config
}

// tcpPair returns both ends of a loopback connection, closed when the test ends.
func tcpPair(t testing.TB) (client, server net.Conn) { return ktlstest.TCPPair(t) }

// background runs f beside the test, which does not end before f does.
func background(t testing.TB, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	t.Cleanup(func() { <-done })
}

type handshaker interface {
	net.Conn
	HandshakeContext(context.Context) error
}

// shake runs both handshakes, with time enough for an emulated machine.
func shake(t testing.TB, a, b handshaker) {
	t.Helper()
	if err := shakeBoth(a, b); err != nil {
		t.Fatal(err)
	}
}

func shakeBoth(a, b handshaker) error {
	ctx, cancel := context.WithTimeout(context.Background(), ktlstest.Patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.HandshakeContext(ctx) }()
	err := b.HandshakeContext(ctx)
	return errors.Join(err, <-done)
}

// connPair returns two connected Conns after their handshakes.
func connPair(t testing.TB, m mode, client, server *tls.Config, changes ...func(*Config)) (c, s *Conn) {
	t.Helper()
	cc, sc := tcpPair(t)
	c, s = m.client(cc, client, changes...), m.server(sc, server, changes...)
	shake(t, c, s)
	return c, s
}

func mustWrite(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(s), err)
	}
}

func mustRead(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %.60q, %v; want %.60q", got, err, want)
	}
}

func mustEOF(t testing.TB, r io.Reader) {
	t.Helper()
	if n, err := r.Read(make([]byte, 16)); n != 0 || err != io.EOF {
		t.Fatalf("read %d bytes, %v; want EOF", n, err)
	}
}

func TestNever(t *testing.T) {
	c, s := connPair(t, inUser, clientConfig(), serverConfig(), func(c *Config) { c.Policy = Never })
	mustWrite(t, c, "ping")
	mustRead(t, s, "ping")
	for _, conn := range []*Conn{c, s} {
		off := conn.Offload()
		if off.TX.Mode != ModeNone || !errors.Is(off.RX.Reason, ErrPolicy) {
			t.Errorf("offload: %+v", off)
		}
		if err := conn.SetNoPad(true); !errors.Is(err, ErrNotOffloaded) || !errors.Is(err, ErrPolicy) {
			t.Errorf("set no pad: %v", err)
		}
		if err := conn.KeyUpdate(t.Context()); !errors.Is(err, ErrNotOffloaded) {
			t.Errorf("key update: %v", err)
		}
	}
}

func TestFallsBackOverPipe(t *testing.T) {
	cc, sc := net.Pipe()
	c, s := Client(cc, &Config{TLS: clientConfig()}), Server(sc, &Config{TLS: serverConfig()})
	if !errors.Is(c.Offload().TX.Reason, ErrHandshakePending) {
		t.Errorf("before the handshake: %+v", c.Offload())
	}
	shake(t, c, s)
	if !errors.Is(c.Offload().TX.Reason, ErrNotTCP) && !errors.Is(c.Offload().TX.Reason, ErrPlatform) {
		t.Errorf("offload: %+v", c.Offload())
	}
	if _, err := c.SyscallConn(); !errors.Is(err, ErrNotTCP) {
		t.Errorf("syscall conn: %v", err)
	}
	go func() { _, _ = io.WriteString(c, "ping") }()
	mustRead(t, s, "ping")
}

func TestRequireFailsOverPipe(t *testing.T) {
	cc, sc := net.Pipe()
	c, s := Client(cc, &Config{TLS: clientConfig(), Policy: Require}), Server(sc, &Config{TLS: serverConfig()})
	go func() {
		_ = s.Handshake()
		_, _ = s.Read(make([]byte, 1)) // close_notify
	}()
	var off *OffloadError
	if err := c.Handshake(); !errors.As(err, &off) {
		t.Fatalf("handshake: %v; want an OffloadError", err)
	}
	if _, err := c.Write([]byte("x")); !errors.As(err, &off) {
		t.Errorf("write after it: %v", err)
	}
}

func TestHalfClose(t *testing.T) { eachMode(t, testHalfClose) }

func testHalfClose(t *testing.T, m mode) {
	c, s := connPair(t, m, clientConfig(), serverConfig())
	mustWrite(t, c, "question")
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, s, "question")
	mustEOF(t, s)
	mustWrite(t, s, "answer")
	mustRead(t, c, "answer")
	if _, err := c.Write([]byte("more")); err == nil {
		t.Error("write after CloseWrite succeeded")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	mustEOF(t, c)
	if err := s.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

// TestTruncated cuts a connection off within a record and between two.
func TestTruncated(t *testing.T) { eachMode(t, testTruncated) }

func testTruncated(t *testing.T, m mode) {
	for name, tc := range map[string]struct {
		tail []byte
		want error
	}{
		"within":  {[]byte{23, 3, 3, 1, 0, 'x'}, io.ErrUnexpectedEOF},
		"between": {nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			cc, sc := tcpPair(t)
			c, s := tls.Client(cc, clientConfig()), m.server(sc, serverConfig())
			shake(t, c, s)
			if _, err := cc.Write(tc.tail); err != nil {
				t.Fatal(err)
			}
			_ = cc.Close()
			if _, err := s.Read(make([]byte, 16)); err != tc.want {
				t.Errorf("read: %v, want %v", err, tc.want)
			}
		})
	}
}

func TestHandshakeContextEnds(t *testing.T) {
	cc, _ := tcpPair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	c := Client(cc, &Config{TLS: clientConfig()})
	if err := c.HandshakeContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestHandshakeTimeoutEnds: the limit of the Config holds as well, and the connection is closed.
func TestHandshakeTimeoutEnds(t *testing.T) {
	cc, sc := tcpPair(t)
	c := Client(cc, &Config{TLS: clientConfig(), HandshakeTimeout: 10 * time.Millisecond})
	if err := c.Handshake(); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, sc); err != nil { // until the end
		t.Error(err)
	}
}

func TestCloseEndsHandshake(t *testing.T) {
	cc, sc := tcpPair(t)
	c := Client(cc, &Config{TLS: clientConfig()})
	done := make(chan error)
	go func() { done <- c.Handshake() }()
	mustRead(t, sc, "\x16") // it has sent its ClientHello
	_ = c.Close()
	if err := <-done; err == nil {
		t.Error("handshake succeeded")
	}
}

// TestSwallowsNothing sends Finished and the first data in one segment.
func TestSwallowsNothing(t *testing.T) { eachMode(t, testSwallowsNothing) }

func testSwallowsNothing(t *testing.T, m mode) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cc, sc := tcpPair(t)
		c, s := tls.Client(&corked{Conn: cc}, only(clientConfig(), version)), m.server(sc, serverConfig())
		done := make(chan error, 1)
		go func() {
			if err := c.Handshake(); err != nil {
				done <- err
				return
			}
			_, err := c.Write([]byte("early"))
			c.NetConn().(*corked).flush()
			done <- err
		}()
		if err := s.Handshake(); err != nil {
			t.Fatal(err)
		}
		if held := len(s.hs.in.scan.partial); held != 0 {
			t.Errorf("%x: %d bytes of the next record were read", version, held)
		}
		mustRead(t, s, "early")
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// corked holds writes back until something is read.
type corked struct {
	net.Conn
	mu  sync.Mutex
	buf []byte
}

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *corked) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.Conn.Write(c.buf)
	c.buf = nil
}

func (c *corked) Read(p []byte) (int, error) {
	c.flush()
	return c.Conn.Read(p)
}

func TestReadFromAndWriteTo(t *testing.T) { eachMode(t, testReadFromAndWriteTo) }

func testReadFromAndWriteTo(t *testing.T, m mode) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 10000)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	c, s := connPair(t, m, clientConfig(), serverConfig())
	background(t, func() {
		if n, err := io.Copy(s, f); n != int64(len(want)) || err != nil {
			t.Errorf("sent %d bytes, %v", n, err)
		}
		_ = s.Close()
	})
	var got bytes.Buffer
	if n, err := io.Copy(&got, c); n != int64(len(want)) || err != nil {
		t.Errorf("received %d bytes, %v", n, err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("content differs")
	}
}

func TestListenAndDial(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig()})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	d := &Dialer{NetDialer: &net.Dialer{Timeout: ktlstest.Patience}, Config: &Config{TLS: &tls.Config{RootCAs: testPool()}}}
	c, err := d.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	mustWrite(t, c, "hello")
	mustRead(t, c, "hello")
	if _, err := Dial("tcp", ln.Addr().String(), nil); err == nil {
		t.Error("an unknown authority was accepted")
	}
	if _, err := Listen("tcp", "127.0.0.1:0", nil); err == nil {
		t.Error("listening without a certificate succeeded")
	}
}

func TestKeyLogReachesTheCaller(t *testing.T) {
	var log bytes.Buffer
	config := clientConfig()
	config.KeyLogWriter = &log
	c, _ := connPair(t, inUser, config, serverConfig())
	if !strings.Contains(log.String(), labelServerTraffic) {
		t.Errorf("log: %q", log.String())
	}
	if c.session.secrets.server != nil {
		t.Error("secrets were kept")
	}
}

func TestNetConn(t *testing.T) { eachMode(t, testNetConn) }

func testNetConn(t *testing.T, m mode) {
	if m.soft {
		t.Skip("the soft socket has no way out of a half-written record")
	}
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		c, s := connPair(t, m, clientConfig(), serverConfig())
		return c, s, func() { c.Close(); s.Close() }, nil
	})
}

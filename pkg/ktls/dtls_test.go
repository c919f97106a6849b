package ktls

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// pingPong sends a record each way, and then the end.
func pingPong(t testing.TB, client, server *DTLSConn) {
	t.Helper()
	mustWrite(t, client, "ping")
	mustReadRecord(t, server, "ping")
	mustWrite(t, server, "pong")
	mustReadRecord(t, client, "pong")
}

func mustReadRecord(t testing.TB, c *DTLSConn, want string) {
	t.Helper()
	buf := make([]byte, maxPlaintext)
	n, err := c.Read(buf)
	if err != nil || string(buf[:n]) != want {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, want)
	}
}

func mustEnd(t testing.TB, c *DTLSConn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 100)); n != 0 || err != io.EOF {
		t.Fatalf("read %d, %v; want the end", n, err)
	}
}

// mustBe checks that a connection is where its mode wants it.
func (m dtlsMode) mustBe(t testing.TB, c *DTLSConn) {
	t.Helper()
	off := c.Offload()
	if m.offload && (off.TX.Mode != ModeSoftware || off.RX.Mode != ModeSoftware || off.TX.Reason != nil || off.RX.Reason != nil) {
		t.Fatalf("offload %+v, want software both ways", off)
	}
	if !m.offload && (off.TX.Mode != ModeNone || !errors.Is(off.TX.Reason, ErrPolicy) || !errors.Is(off.RX.Reason, ErrPolicy)) {
		t.Fatalf("offload %+v, want none by policy", off)
	}
}

// TestDTLSSuites: every suite, by both ends.
func TestDTLSSuites(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		psk := func([]byte) ([]byte, error) { return []byte("a secret of sixteen or more"), nil }
		for _, id := range slices.Concat(defaultDTLSSuites, defaultPSKSuites) {
			name := dtls.CipherSuiteID(id).String()
			if strings.Contains(name, "_RSA_") {
				continue // the test's certificate is ECDSA's; the records are the same
			}
			t.Run(name, func(t *testing.T) {
				cc, sc := dtlsClientConfig(), dtlsServerConfig()
				if strings.Contains(name, "PSK") {
					cc = &DTLSConfig{PSK: psk, PSKIdentity: []byte("me")}
					sc = &DTLSConfig{PSK: psk, PSKIdentity: []byte("hint")}
				}
				cc.CipherSuites, sc.CipherSuites = []uint16{id}, []uint16{id}
				client, server := dtlsPair(t, m, m, cc, sc, nil)
				m.mustBe(t, client)
				m.mustBe(t, server)
				pingPong(t, client, server)
				if s := server.ConnectionState(); s.Version != 0xfefd || s.CipherSuite != id || cc.PSK != nil && string(s.PSKIdentity) != "me" {
					t.Errorf("state %+v", s)
				}
				if err := client.Close(); err != nil {
					t.Error(err)
				}
				mustEnd(t, server)
				mustEnd(t, server)
			})
		}
	})
}

// TestDTLSMixed: an end in the kernel talks with one in user space, in both roles.
func TestDTLSMixed(t *testing.T) {
	other := dtlsInSoft
	if inGuest() {
		needDTLS(t)
		other = dtlsInKernel
	}
	for _, ends := range [][2]dtlsMode{{other, dtlsInUser}, {dtlsInUser, other}} {
		t.Run(ends[0].name+"-"+ends[1].name, func(t *testing.T) {
			client, server := dtlsPair(t, ends[0], ends[1], dtlsClientConfig(), dtlsServerConfig(), nil)
			pingPong(t, client, server)
			server.Close()
			mustEnd(t, client)
		})
	}
}

// TestDTLSStaysInUserSpace: where the kernel cannot, a connection works and says why, or is
// none.
func TestDTLSStaysInUserSpace(t *testing.T) {
	absent := func(*net.UDPConn, *dtlsHandover, int) (dtlsSocket, error) {
		return nil, &OffloadError{Op: "open AF_KTLS", Reason: ErrFamilyMissing, Cause: syscall.EAFNOSUPPORT}
	}
	for name, c := range map[string]struct {
		attach dtlsAttach
		suites []uint16
		reason error
	}{
		"no module": {absent, nil, ErrFamilyMissing},
		"cipher":    {attachSoft, []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM)}, ErrCipher},
	} {
		t.Run(name, func(t *testing.T) {
			cc, sc := dtlsClientConfig(), dtlsServerConfig()
			cc.CipherSuites, sc.CipherSuites = c.suites, c.suites
			m := dtlsMode{name, Prefer, c.attach, false}
			client, server := dtlsPair(t, m, m, cc, sc, nil)
			for _, end := range []*DTLSConn{client, server} {
				if off := end.Offload(); off.TX.Mode != ModeNone || !errors.Is(off.TX.Reason, c.reason) || !errors.Is(off.RX.Reason, c.reason) {
					t.Errorf("offload %+v, want %v", off, c.reason)
				}
			}
			pingPong(t, client, server)
			m.policy = Require
			ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", sc)
			if conn, err := DialDTLS(t.Context(), "udp", ln.Addr().String(), m.with(cc)); !errors.Is(err, c.reason) {
				t.Errorf("%v, %v; want %v", conn, err, c.reason)
			}
		})
	}
}

// TestDTLSAvailable: what it says is what a connection gets.
func TestDTLSAvailable(t *testing.T) {
	client, _ := dtlsPair(t, dtlsMode{"", Prefer, attachDTLS, false}, dtlsInUser, dtlsClientConfig(), dtlsServerConfig(), nil)
	var want *OffloadError
	err := DTLSAvailable()
	if err != nil && (!errors.As(err, &want) || !strings.Contains(err.Error(), "af_ktls")) {
		t.Errorf("%v: does not say which module", err)
	}
	if got := client.Offload().TX.Reason; fmt.Sprint(got) != fmt.Sprint(err) {
		t.Errorf("the connection says %v, DTLSAvailable %v", got, err)
	}
}

// serveOne serves one connection, and says when it has ended.
func serveOne(ln net.Listener, serve func(net.Conn)) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(ktlstest.Patience))
		serve(c)
	}()
	return done
}

// echo sends records back until the end.
func echo(c net.Conn) {
	buf := make([]byte, 100)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		_, _ = c.Write(buf[:n])
	}
}

// TestDTLSDeadlines: a deadline ends a Read and nothing else.
func TestDTLSDeadlines(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		client, server := dtlsPair(t, m, m, dtlsClientConfig(), dtlsServerConfig(), nil)
		for _, d := range []time.Duration{-time.Second, 10 * time.Millisecond} {
			_ = client.SetReadDeadline(time.Now().Add(d))
			var timeout net.Error
			_, err := client.Read(make([]byte, 10))
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("after %v: %v", d, err)
			}
		}
		_ = client.SetDeadline(time.Time{})
		pingPong(t, client, server)
		_ = client.SetWriteDeadline(time.Now().Add(-time.Second))
		if _, err := client.Write([]byte("late")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write after the deadline: %v", err)
		}
		_ = client.SetWriteDeadline(time.Time{})
		pingPong(t, client, server)
	})
}

// TestDTLSClose: Close ends a Read that waits, and is an error the second time.
func TestDTLSClose(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		client, server := dtlsPair(t, m, m, dtlsClientConfig(), dtlsServerConfig(), nil)
		pingPong(t, client, server)
		read := make(chan error, 1)
		go func() {
			_, err := client.Read(make([]byte, 10))
			read <- err
		}()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the Read that waited: %v", err)
		}
		if err := client.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the second Close: %v", err)
		}
		if _, err := client.Write([]byte("x")); err == nil {
			t.Error("a Write after Close")
		}
		mustEnd(t, server)
		if err := server.Close(); err != nil {
			t.Errorf("closing after the peer: %v", err)
		}
	})
}

// TestDTLSSizes: the longest record, one byte more, and a reader with less room.
func TestDTLSSizes(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		for _, mtu := range []int{0, 600} {
			t.Run(fmt.Sprint(mtu), func(t *testing.T) {
				cc := dtlsClientConfig()
				cc.MTU = mtu
				client, server := dtlsPair(t, m, m, cc, dtlsServerConfig(), nil)
				most, err := client.MaxPayload()
				if err != nil || mtu != 0 && most != mtu-37 || mtu == 0 && most < 8000 {
					t.Fatalf("payload %d, %v", most, err)
				}
				long := strings.Repeat("x", most)
				mustWrite(t, client, long)
				mustReadRecord(t, server, long)
				if n, err := client.Write([]byte(long + "y")); n != 0 || !errors.Is(err, errMessageSize) {
					t.Errorf("one byte too much: %d, %v", n, err)
				}
				mustWrite(t, client, "cut off")
				buf := make([]byte, 3)
				if n, err := server.Read(buf); n != 3 || err != io.ErrShortBuffer || string(buf) != "cut" {
					t.Errorf("short buffer: %q, %d, %v", buf, n, err)
				}
				pingPong(t, client, server)
			})
		}
	})
}

// TestDTLSReadFromAndWriteTo: a file goes out in full records, and what is read goes on in
// order.
func TestDTLSReadFromAndWriteTo(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		cc := dtlsClientConfig()
		cc.MTU = 1237 // 1,200 bytes of plaintext
		client, server := dtlsPair(t, m, m, cc, dtlsServerConfig(), nil)
		want := bytes.Repeat([]byte("0123456789abcdef"), 1000)
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		out, in := tcpPair(t)
		background(t, func() {
			_, _ = server.WriteTo(in)
			_ = in.(*net.TCPConn).CloseWrite()
		})
		if n, err := client.ReadFrom(file); n != int64(len(want)) || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		got := make([]byte, len(want))
		if n, err := io.ReadFull(out, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v; want %d", n, err, len(want))
		}
		client.Close() // not before: pion drops what waits for a reader when the end comes
		mustEOF(t, out)
	})
}

// TestDTLSSpliceIn: bytes of a stream socket go out as records.
func TestDTLSSpliceIn(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		client, server := dtlsPair(t, m, m, dtlsClientConfig(), dtlsServerConfig(), nil)
		in, from := tcpPair(t)
		mustWrite(t, in, strings.Repeat("z", 5000))
		_ = in.(*net.TCPConn).CloseWrite()
		if n, err := client.ReadFrom(from); n != 5000 || err != nil {
			t.Fatalf("sent %d, %v", n, err)
		}
		buf, got := make([]byte, maxPlaintext), 0
		for got < 5000 {
			n, err := server.Read(buf)
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			got += n
		}
	})
}

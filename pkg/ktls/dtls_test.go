package ktls

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
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
			if conn, err := DialDTLS("udp", ln.Addr().String(), cc, m.options()...); !errors.Is(err, c.reason) {
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

// numbers collects the numbers of records sealed by each end.
type numbers struct {
	mu  sync.Mutex
	all [2][]uint64 // to the client, to the server
}

func (n *numbers) note(toServer bool, datagram []byte) [][]byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, rec := range records(datagram) {
		if rec.epoch() > 0 {
			n.all[index(toServer)] = append(n.all[index(toServer)], rec.number())
		}
	}
	return [][]byte{datagram}
}

func index(toServer bool) int {
	if toServer {
		return 1
	}
	return 0
}

// TestDTLSNumbers: no number is used twice and none is left out, from Finished to
// close_notify, whoever seals.
func TestDTLSNumbers(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		var seen numbers
		client, server := dtlsPair(t, m, m, dtlsClientConfig(), dtlsServerConfig(), &relay{filter: seen.note})
		for range 20 {
			pingPong(t, client, server)
		}
		server.Close()
		mustEnd(t, client)
		client.Close()
		seen.mu.Lock()
		defer seen.mu.Unlock()
		for to, got := range seen.all {
			for i, number := range got {
				if number != numberOf(1, uint64(i)) {
					t.Fatalf("direction %d: record %d has number %#x; all: %#x", to, i, number, got)
				}
			}
			if len(got) < 21 {
				t.Errorf("direction %d: %d records only", to, len(got))
			}
		}
	})
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
		_ = c.SetDeadline(time.Now().Add(time.Minute))
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

// TestDTLSLostFinished: the server's last flight is lost, after it has gone into the kernel.
// The client asks again and is answered, with numbers that were not used.
func TestDTLSLostFinished(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		var seen numbers
		lost := 0
		via := &relay{filter: func(toServer bool, d []byte) [][]byte {
			seen.note(toServer, d)
			last := slices.ContainsFunc(records(d), func(r dtlsRecord) bool { return r.epoch() == 1 && r.typ() == TypeHandshake })
			if !toServer && last && lost < 2 {
				lost++
				return nil
			}
			return [][]byte{d}
		}}
		ln := dtlsListen(t, m, "127.0.0.1:0", dtlsServerConfig())
		ended := serveOne(ln, echo)
		client, err := DialDTLS("udp", via.start(t, ln.Addr().String()), dtlsClientConfig(), m.options()...)
		if err != nil {
			t.Fatal(err)
		}
		_ = client.SetDeadline(time.Now().Add(time.Minute))
		mustWrite(t, client, "there")
		mustReadRecord(t, client, "there")
		client.Close()
		<-ended
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if lost != 2 {
			t.Errorf("%d flights were lost, want 2", lost)
		}
		for to, got := range seen.all {
			if sorted := slices.Compact(slices.Sorted(slices.Values(got))); len(sorted) != len(got) {
				t.Errorf("direction %d: a number twice: %#x", to, got)
			}
		}
	})
}

// TestDTLSEarly: data that comes with the server's Finished, in one datagram, is not lost and
// comes in order; neither is what comes next.
func TestDTLSEarly(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		var kept []byte
		via := &relay{filter: func(toServer bool, d []byte) [][]byte {
			switch recs := records(d); {
			case toServer:
			case slices.ContainsFunc(recs, func(r dtlsRecord) bool { return r.epoch() == 1 && r.typ() == TypeHandshake }):
				kept = append(kept[:0], d...)
				return nil
			case kept != nil && len(recs) > 0 && recs[0].epoch() == 1:
				kept = append(kept, d...)
				if bytes.Count(kept, []byte{23, 0xfe, 0xfd, 0, 1}) < 3 {
					return nil
				}
				all := kept
				kept = nil
				return [][]byte{all}
			}
			return [][]byte{d}
		}}
		ln := dtlsListen(t, m, "127.0.0.1:0", dtlsServerConfig())
		ended := serveOne(ln, func(c net.Conn) {
			for i := range 3 {
				fmt.Fprintf(c, "early %d", i)
			}
			echo(c)
		})
		client, err := DialDTLS("udp", via.start(t, ln.Addr().String()), dtlsClientConfig(), m.options()...)
		if err != nil {
			t.Fatal(err)
		}
		m.mustBe(t, client)
		_ = client.SetDeadline(time.Now().Add(time.Minute))
		for i := range 3 {
			mustReadRecord(t, client, fmt.Sprintf("early %d", i))
		}
		mustWrite(t, client, "late")
		mustReadRecord(t, client, "late")
		client.Close()
		<-ended
	})
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

// TestDTLSMany: clients that come at once each get their own connection, with all they sent.
func TestDTLSMany(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		clients := 40
		if inGuest() {
			clients = 10
		}
		for _, addr := range []string{"127.0.0.1:0", ":0", "[::1]:0"} {
			t.Run(addr, func(t *testing.T) { manyClients(t, m, addr, clients) })
		}
	})
}

func manyClients(t *testing.T, m dtlsMode, addr string, clients int) {
	ln := dtlsListen(t, m, addr, dtlsServerConfig())
	background(t, func() {
		for range clients {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			background(t, func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				echo(c)
			})
		}
	})
	t.Cleanup(func() { ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	host := "127.0.0.1"
	if strings.HasPrefix(addr, "[::1]") {
		host = "::1"
	}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := DialDTLSContext(ctx, "udp", net.JoinHostPort(host, port), dtlsClientConfig(), m.options()...)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			for j := range 5 {
				want := fmt.Sprintf("client %d, record %d", i, j)
				buf := make([]byte, 100)
				if _, err := c.Write([]byte(want)); err != nil {
					t.Error(err)
				}
				if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
					t.Errorf("%q, %v; want %q", buf[:n], err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestDTLSListenerCloses: it leaves accepted connections alone, and Accept ends.
func TestDTLSListenerCloses(t *testing.T) {
	client, server := dtlsPair(t, dtlsInUser, dtlsInUser, dtlsClientConfig(), dtlsServerConfig(), nil)
	ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", dtlsServerConfig())
	ended := make(chan error, 1)
	go func() {
		_, err := ln.Accept()
		ended <- err
	}()
	// A peer that says hello and nothing more: its handshake must not hold Close up.
	half, err := net.Dial("udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	mustWrite(t, half, string(append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1)))
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	pingPong(t, client, server)
}

// TestDTLSHandshakeFails: in one line, that says what it was.
func TestDTLSHandshakeFails(t *testing.T) {
	ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", dtlsServerConfig())
	untrusting := dtlsClientConfig()
	untrusting.ServerName = "other.invalid"
	if _, err := DialDTLS("udp", ln.Addr().String(), untrusting); err == nil || !strings.Contains(err.Error(), "other.invalid") {
		t.Errorf("wrong name: %v", err)
	}
	quiet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := DialDTLSContext(ctx, "udp", quiet.LocalAddr().String(), dtlsClientConfig()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := DialDTLS("tcp", ln.Addr().String(), dtlsClientConfig()); err == nil {
		t.Error("DTLS over TCP")
	}
	if _, err := ListenDTLS("udp", "127.0.0.1:0", &DTLSConfig{}); err == nil {
		t.Error("a server without a certificate")
	}
}

// TestDTLSProof: keys or numbers that are not those of the wire never go to the kernel.
func TestDTLSProof(t *testing.T) {
	for name, spoil := range map[string]func(s *dtlsSession){
		"master": func(s *dtlsSession) { s.MasterSecret[0] ^= 1 },
		"random": func(s *dtlsSession) { s.RemoteRandom[0] ^= 1 },
		"suite":  func(s *dtlsSession) { s.CipherSuiteID = tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 },
		"number": func(s *dtlsSession) { s.SequenceNumber = 0 },
		"peer's": func(s *dtlsSession) { s.RemoteSequenceNumber = 0 },
		"epoch":  func(s *dtlsSession) { s.LocalEpoch = 2 },
		"id":     func(s *dtlsSession) { s.RemoteConnectionID = []byte{1} },
		"none":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			s, w := finishedSession(t)
			if spoil != nil {
				spoil(s)
			}
			h, err := newDTLSHandover(s, w)
			if spoil == nil && (err != nil || h.txNumber != numberOf(1, 1) || h.rxNumber != numberOf(1, 1)) {
				t.Errorf("%+v, %v", h, err)
			}
			if spoil != nil && (err == nil || !errors.Is(err, ErrNoKeys) && !errors.Is(err, ErrRenegotiation)) {
				t.Errorf("taken: %v", err)
			}
		})
	}
}

// finishedSession is a client's session and wire, held.
func finishedSession(t *testing.T) (*dtlsSession, *dtlsWire) {
	t.Helper()
	ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", dtlsServerConfig())
	conn, err := net.Dial("udp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := newDTLSWire(conn.(*net.UDPConn), conn.RemoteAddr())
	pion, err := newPion(w, dtlsClientConfig(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := pion.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.hold(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.release(wireUser); pion.Close() })
	s, err := exportSession(pion)
	if err != nil {
		t.Fatal(err)
	}
	return s, w
}

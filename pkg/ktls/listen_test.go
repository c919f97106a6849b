package ktls

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

func TestHandshakeTimeout(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig(), HandshakeTimeout: ktlstest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	// One that says nothing must not stand in the way of the next.
	silent, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	background(t, func() {
		if c, err := Dial("tcp", ln.Addr().String(), &Config{TLS: clientConfig()}); err == nil {
			mustEOF(t, c)
			_ = c.Close()
		}
	})
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if !conn.(*Conn).ConnectionState().HandshakeComplete {
		t.Error("the handshake is not complete")
	}
	_ = conn.Close()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
}

// TestOnHandshakeError: a listener reports a handshake that failed, with the connection still open.
func TestOnHandshakeError(t *testing.T) {
	type failure struct {
		from       string
		err, write error
	}
	failed := make(chan failure, 10)
	config := &Config{TLS: serverConfig(), HandshakeTimeout: ktlstest.Patience, OnHandshakeError: func(c *Conn, err error) {
		_, writeErr := c.UnsafeNetConn().Write([]byte("a last word"))
		failed <- failure{c.RemoteAddr().String(), err, writeErr}
	}}
	ln, err := Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	background(t, func() { _, _ = ln.Accept() })
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	mustWrite(t, peer, "GET / HTTP/1.1\r\n\r\n")
	got := <-failed
	var header tls.RecordHeaderError
	if got.from != peer.LocalAddr().String() || !errors.As(got.err, &header) || got.write != nil {
		t.Errorf("reported %+v", got)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if n := len(failed); n != 0 {
		t.Errorf("%d more reports, the first: %+v", n, <-failed)
	}
}

// mute is a listener whose peers never say a word.
type mute struct {
	accepted atomic.Int32
	peers    int32
	closed   chan struct{}
	reported atomic.Int32 // handshakes that failed
}

func (m *mute) Accept() (net.Conn, error) {
	if m.accepted.Load() == m.peers {
		<-m.closed
		return nil, net.ErrClosed
	}
	m.accepted.Add(1)
	conn, _ := net.Pipe()
	return Server(conn, &Config{TLS: serverConfig(), HandshakeTimeout: time.Minute, OnHandshakeError: func(*Conn, error) { m.reported.Add(1) }}), nil
}

func (m *mute) Close() error   { close(m.closed); return nil }
func (m *mute) Addr() net.Addr { return &net.TCPAddr{} }

// TestHandshakesAreBounded: peers that say nothing hold a handshake each until its timeout,
// and no more than maxHandshakes of them at a time. Each timeout is reported, and a handshake that Close ends is not.
func TestHandshakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &mute{peers: 3*maxHandshakes + 1, closed: make(chan struct{})}
		ln := newEagerListener(inner)
		ended := make(chan error)
		go func() {
			_, err := ln.Accept()
			ended <- err
		}()
		for rounds := int32(1); rounds <= 3; rounds++ {
			synctest.Wait()
			if got := inner.accepted.Load(); got != rounds*maxHandshakes {
				t.Errorf("after %d timeouts %d connections were accepted, want %d", rounds-1, got, rounds*maxHandshakes)
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait() // the last handshake is under way
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		if a, r := inner.accepted.Load(), inner.reported.Load(); a != inner.peers || r != inner.peers-1 {
			t.Errorf("%d of %d connections were accepted, %d failures were reported", a, inner.peers, r)
		}
	})
}

// TestRequestTLS has net/http see the connection's state.
func TestRequestTLS(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig(), HandshakeTimeout: ktlstest.Patience})
	if err != nil {
		t.Fatal(err)
	}
	states := make(chan *tls.ConnectionState, 1)
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { states <- r.TLS })}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	defer func() { _ = srv.Close(); <-done }()
	tr := &http.Transport{TLSClientConfig: clientConfig()}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: ktlstest.Patience}).Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if state := <-states; state == nil || state.ServerName != "test.invalid" {
		t.Errorf("request's TLS: %+v", state)
	}
}

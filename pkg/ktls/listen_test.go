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
)

func TestHandshakeTimeout(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig(), HandshakeTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	// One that says nothing must not stand in the way of the next.
	silent, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	go func() {
		if c, err := Dial("tcp", ln.Addr().String(), &Config{TLS: clientConfig()}); err == nil {
			mustEOF(t, c)
			_ = c.Close()
		}
	}()
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

// mute is a listener whose peers never say a word.
type mute struct {
	accepted atomic.Int32
	peers    int32
	closed   chan struct{}
}

func (m *mute) Accept() (net.Conn, error) {
	if m.accepted.Load() == m.peers {
		<-m.closed
		return nil, net.ErrClosed
	}
	m.accepted.Add(1)
	conn, _ := net.Pipe()
	return Server(conn, &Config{TLS: serverConfig(), HandshakeTimeout: time.Minute}), nil
}

func (m *mute) Close() error   { close(m.closed); return nil }
func (m *mute) Addr() net.Addr { return &net.TCPAddr{} }

// TestHandshakesAreBounded: peers that say nothing hold a handshake each until its timeout,
// and no more than maxHandshakes of them at a time.
func TestHandshakesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &mute{peers: 3 * maxHandshakes, closed: make(chan struct{})}
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
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
	})
}

// TestRequestTLS has net/http see the connection's state.
func TestRequestTLS(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", &Config{TLS: serverConfig(), HandshakeTimeout: 30 * time.Second})
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
	resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if state := <-states; state == nil || state.ServerName != "test.invalid" {
		t.Errorf("request's TLS: %+v", state)
	}
}

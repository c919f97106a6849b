package ktls

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestWithHandshake(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", serverConfig(), WithHandshake(30*time.Second))
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
		if c, err := Dial("tcp", ln.Addr().String(), clientConfig()); err == nil {
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

// TestRequestTLS has net/http see the connection's state.
func TestRequestTLS(t *testing.T) {
	ln, err := Listen("tcp", "127.0.0.1:0", serverConfig(), WithHandshake(30*time.Second))
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

package ktlshttp

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// closedEarly returns a server, and a listener that is closed already.
func closedEarly(t *testing.T) (*Server, net.Listener) {
	t.Helper()
	config := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	return &Server{HTTP: &http.Server{}, Config: &ktls.Config{TLS: config}}, ln
}

// TestServeEnds: Shutdown may close the shared listener before the server of HTTP/1.1 knows that it has to end.
func TestServeEnds(t *testing.T) {
	s, ln := closedEarly(t)
	s.ending.Store(true)
	if err := s.Serve(ln); err != http.ErrServerClosed {
		t.Errorf("Serve: %v", err)
	}
}

// TestServeFails: a listener that somebody else closes is an error.
func TestServeFails(t *testing.T) {
	s, ln := closedEarly(t)
	if err := s.Serve(ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Close(); err != nil || !s.ending.Load() {
		t.Errorf("Close: %v, noted %v", err, s.ending.Load())
	}
}

package ktls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

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
				_ = c.SetDeadline(time.Now().Add(ktlstest.Patience))
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
			ctx, cancel := context.WithTimeout(t.Context(), ktlstest.Patience)
			defer cancel()
			c, err := DialDTLS(ctx, "udp", net.JoinHostPort(host, port), m.with(dtlsClientConfig()))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(ktlstest.Patience))
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

// TestDTLSListenerHasATimeout: a negative HandshakeTimeout means the listener's own limit, not one that is over.
func TestDTLSListenerHasATimeout(t *testing.T) {
	config := dtlsServerConfig()
	config.HandshakeTimeout = -1
	client, server := dtlsPair(t, dtlsInUser, dtlsInUser, dtlsClientConfig(), config, nil)
	pingPong(t, client, server)
}

// TestDTLSHandshakeFails: in one line, that says what it was.
func TestDTLSHandshakeFails(t *testing.T) {
	ln := dtlsListen(t, dtlsInUser, "127.0.0.1:0", dtlsServerConfig())
	untrusting := dtlsClientConfig()
	untrusting.ServerName = "other.invalid"
	if _, err := DialDTLS(t.Context(), "udp", ln.Addr().String(), untrusting); err == nil || !strings.Contains(err.Error(), "other.invalid") {
		t.Errorf("wrong name: %v", err)
	}
	quiet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := DialDTLS(ctx, "udp", quiet.LocalAddr().String(), dtlsClientConfig()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := DialDTLS(t.Context(), "tcp", ln.Addr().String(), dtlsClientConfig()); err == nil {
		t.Error("DTLS over TCP")
	}
	if _, err := ListenDTLS("udp", "127.0.0.1:0", &DTLSConfig{}); err == nil {
		t.Error("a server without a certificate")
	}
}

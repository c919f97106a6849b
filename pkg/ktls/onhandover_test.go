package ktls

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// handovers notes the calls of OnHandover.
type handovers struct {
	conns []*Conn
	said  []Offload
}

func (h *handovers) into(c *Config) {
	c.OnHandover = func(conn *Conn, o Offload) {
		_ = conn.Handshake() // which is complete, and must not wait for its own end
		h.conns, h.said = append(h.conns, conn), append(h.said, o)
	}
}

func TestOnHandover(t *testing.T) { eachMode(t, testOnHandover) }

// testOnHandover: one call for each end, before Handshake returns, and none for a handshake that was complete.
func testOnHandover(t *testing.T, m mode) {
	var client, server handovers
	cc, sc := tcpPair(t)
	c, s := m.client(cc, clientConfig(), client.into), m.server(sc, serverConfig(), server.into)
	shake(t, c, s)
	shake(t, c, s)
	for conn, got := range map[*Conn]handovers{c: client, s: server} {
		if len(got.conns) != 1 || got.conns[0] != conn || got.said[0] != conn.Offload() {
			t.Fatalf("calls: %v for %v, want one for %v", got.said, got.conns, conn.Offload())
		}
		if kernel := got.said[0].TX.Mode != ModeNone && got.said[0].TX.Reason == nil; kernel != m.offloaded() {
			t.Errorf("reported %+v", got.said[0])
		}
	}
}

// TestOnHandoverRequired: Require makes the handshake fail, and the reason is reported all the same.
func TestOnHandoverRequired(t *testing.T) {
	cc, sc := tcpPair(t)
	var got handovers
	refuse := func(net.Conn) (recordSocket, error) { return nil, reason(ErrInUse) }
	config := &Config{TLS: clientConfig(), Policy: Require, attach: refuse}
	got.into(config)
	c := Client(cc, config)
	background(t, func() { _ = tls.Server(sc, serverConfig()).Handshake() })
	err := c.Handshake()
	if len(got.said) != 1 || !errors.Is(err, ErrInUse) || got.said[0].RX.Reason != err || c.Offload() != got.said[0] {
		t.Errorf("error %v, reported %+v, later %+v", err, got.said, c.Offload())
	}
}

// TestOnHandoverAfterFailure: a TLS handshake that fails leaves nothing to decide.
func TestOnHandoverAfterFailure(t *testing.T) {
	cc, sc := tcpPair(t)
	var got handovers
	config := &Config{TLS: &tls.Config{ServerName: "other.invalid", RootCAs: testPool()}}
	got.into(config)
	background(t, func() { _ = tls.Server(sc, serverConfig()).Handshake() })
	if err := Client(cc, config).Handshake(); err == nil || len(got.said) != 0 {
		t.Errorf("error %v, reported %+v", err, got.said)
	}
}

func TestDTLSOnHandover(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		said := make(chan Offload, 2)
		report := func(config *DTLSConfig) *DTLSConfig {
			config.OnHandover = func(c *DTLSConn, o Offload) { said <- o }
			return config
		}
		c, s := dtlsPair(t, m, m, report(dtlsClientConfig()), report(dtlsServerConfig()), nil)
		for _, got := range []Offload{<-said, <-said} {
			if got != c.Offload() && got != s.Offload() || (got.TX.Reason == nil) != m.offload {
				t.Errorf("reported %+v, the connections say %+v and %+v", got, c.Offload(), s.Offload())
			}
		}
	})
}

// TestDTLSOnHandoverCloses: a listener forgets a peer whose connection OnHandover has closed.
func TestDTLSOnHandoverCloses(t *testing.T) {
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		config := dtlsServerConfig()
		config.OnHandover = func(c *DTLSConn, _ Offload) { _ = c.Close() }
		ln := dtlsListen(t, m, "127.0.0.1:0", config)
		background(t, func() {
			c, err := DialDTLS(t.Context(), "udp", ln.Addr().String(), m.with(dtlsClientConfig()))
			if err == nil {
				<-t.Context().Done() // a client that leaves at once can end the server's handover
				_ = c.Close()
			}
		})
		if _, err := ln.Accept(); err != nil {
			t.Fatal(err)
		}
		l := ln.(*dtlsListener)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.peers) != 0 {
			t.Errorf("%d peers are left", len(l.peers))
		}
	})
}

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
)

type suiteCase struct {
	version uint16
	id      uint16 // 0: whatever Go chooses
}

var suiteCases = []suiteCase{
	{tls.VersionTLS13, 0},
	{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
	{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
}

func (sc suiteCase) String() string {
	if sc.id == 0 {
		return tls.VersionName(sc.version)
	}
	return tls.CipherSuiteName(sc.id)
}

func (sc suiteCase) config(config *tls.Config) *tls.Config {
	config = only(config, sc.version)
	if sc.id != 0 {
		config.CipherSuites = []uint16{sc.id}
	}
	return config
}

// roles makes a Conn and a crypto/tls peer, in both roles.
var roles = map[string]func(m mode, cc, sc net.Conn, client, server *tls.Config) (*Conn, *tls.Conn){
	"client": func(m mode, cc, sc net.Conn, client, server *tls.Config) (*Conn, *tls.Conn) {
		return m.client(cc, client), tls.Server(sc, server)
	},
	"server": func(m mode, cc, sc net.Conn, client, server *tls.Config) (*Conn, *tls.Conn) {
		return m.server(sc, server), tls.Client(cc, client)
	},
}

// eachPeer runs f with a Conn in every mode and role and a crypto/tls peer for every suite.
func eachPeer(t *testing.T, client, server func() *tls.Config, f func(t *testing.T, m mode, c *Conn, peer *tls.Conn)) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, sc := range suiteCases {
			for role, make := range roles {
				t.Run(fmt.Sprintf("%v/%s", sc, role), func(t *testing.T) {
					a, b := tcpPair(t)
					c, peer := make(m, a, b, sc.config(client()), sc.config(server()))
					shake(t, c, peer)
					f(t, m, c, peer)
				})
			}
		}
	})
}

func TestTalksToStandardLibrary(t *testing.T) {
	eachPeer(t, clientConfig, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		mustWrite(t, c, "from us")
		mustRead(t, peer, "from us")
		mustWrite(t, peer, "from peer")
		mustRead(t, c, "from peer")
		big := string(bytes.Repeat([]byte("0123456789"), 4000))
		echo := make(chan error, 1)
		go func() { _, err := io.CopyN(peer, peer, int64(len(big))); echo <- err }()
		mustWrite(t, c, big)
		mustRead(t, c, big)
		if err := <-echo; err != nil {
			t.Fatal(err)
		}
		if off := c.Offload(); (off.TX.Mode != ModeNone) != m.offloaded() || (off.RX.Mode != ModeNone) != m.offloaded() {
			t.Errorf("offload: %+v", off)
		}
		if err := peer.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		mustEOF(t, c)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		mustEOF(t, peer)
	})
}

// TestOneByteReads also cuts tickets and alerts into bytes.
func TestOneByteReads(t *testing.T) {
	withCache := func() *tls.Config {
		config := clientConfig()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		return config
	}
	eachPeer(t, withCache, serverConfig, func(t *testing.T, m mode, c *Conn, peer *tls.Conn) {
		mustWrite(t, peer, "abc")
		if err := peer.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for {
			var b [1]byte
			n, err := c.Read(b[:])
			got = append(got, b[:n]...)
			if err != nil {
				if err != io.EOF {
					t.Errorf("read: %v", err)
				}
				break
			}
		}
		if string(got) != "abc" {
			t.Errorf("got %q", got)
		}
	})
}

// TestResumption goes three rounds with each version and role, so that a session that was
// itself resumed is resumed again.
func TestResumption(t *testing.T) {
	client := clientConfig()
	eachMode(t, func(t *testing.T, m mode) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for role, make := range roles {
				t.Run(tls.VersionName(version)+"/"+role, func(t *testing.T) {
					client := only(client.Clone(), version)
					client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
					server := serverConfig()
					for round := range 3 {
						a, b := tcpPair(t)
						c, peer := make(m, a, b, client, server)
						shake(t, c, peer)
						mustWrite(t, peer, "to us") // reads the tickets on the way
						mustRead(t, c, "to us")
						mustWrite(t, c, "to peer")
						mustRead(t, peer, "to peer")
						if got := c.ConnectionState().DidResume; got != (round > 0) {
							t.Errorf("round %d: resumed %v", round, got)
						}
						c.Close()
					}
				})
			}
		}
	})
}

// TestTicketCount has the server send no ticket, one with its first flight, and one after
// the client's certificate.
func TestTicketCount(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for name, change := range map[string]func(client, server *tls.Config){
			"none":     func(_, server *tls.Config) { server.SessionTicketsDisabled = true },
			"no-cache": func(client, _ *tls.Config) { client.ClientSessionCache = nil },
			"one":      func(client, server *tls.Config) {},
			"after-certificate": func(client, server *tls.Config) {
				server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, testPool()
				client.Certificates = []tls.Certificate{testCert()}
			},
			"hello-retry": func(client, server *tls.Config) {
				client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
				server.CurvePreferences = []tls.CurveID{tls.CurveP256}
			},
		} {
			for role, make := range roles {
				t.Run(name+"/"+role, func(t *testing.T) {
					client, server := clientConfig(), serverConfig()
					client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
					change(client, server)
					a, b := tcpPair(t)
					c, peer := make(m, a, b, client, server)
					shake(t, c, peer)
					mustWrite(t, c, "to peer")
					mustRead(t, peer, "to peer")
					mustWrite(t, peer, "to us")
					mustRead(t, c, "to us")
				})
			}
		}
	})
}

// TestGetConfigForClient has another configuration take the server's place, with ticket
// keys of its own and without.
func TestGetConfigForClient(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, ownKeys := range []bool{false, true} {
			t.Run(fmt.Sprint("own keys ", ownKeys), func(t *testing.T) {
				chosen := serverConfig()
				chosen.NextProtos = []string{"chosen"}
				if ownKeys {
					chosen.SetSessionTicketKeys([][32]byte{{9}})
				}
				base := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }}
				client := clientConfig()
				client.NextProtos = []string{"chosen"}
				client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				for round := range 2 {
					a, b := tcpPair(t)
					c, peer := m.server(b, base), tls.Client(a, client)
					shake(t, c, peer)
					mustWrite(t, c, "to peer")
					mustRead(t, peer, "to peer")
					if state := c.ConnectionState(); state.NegotiatedProtocol != "chosen" || state.DidResume != (round > 0) {
						t.Errorf("round %d: protocol %q, resumed %v", round, state.NegotiatedProtocol, state.DidResume)
					}
				}
			})
		}
	})
}

func TestHasTicketKeys(t *testing.T) {
	set, used := &tls.Config{}, &tls.Config{}
	set.SetSessionTicketKeys([][32]byte{{1, 2}})
	_, _ = used.EncryptTicket(tls.ConnectionState{}, &tls.SessionState{})
	for name, tc := range map[string]struct {
		config *tls.Config
		want   bool
	}{
		"none":      {&tls.Config{}, false},
		"automatic": {used, false},
		"field":     {&tls.Config{SessionTicketKey: [32]byte{1}}, true},
		"set":       {set, true},
	} {
		if got := hasTicketKeys(tc.config); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestReasons has handshakes that the kernel cannot go on with.
func TestReasons(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(client *tls.Config)
		want   error
	}{
		"version": {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, ErrVersion},
		"cbc": {func(c *tls.Config) {
			only(c, tls.VersionTLS12).CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		}, ErrCipher},
		"renegotiation": {func(c *tls.Config) { only(c, tls.VersionTLS12).Renegotiation = tls.RenegotiateFreelyAsClient }, ErrRenegotiation},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := clientConfig(), serverConfig()
			server.MinVersion = tls.VersionTLS10
			tc.change(client)
			a, b := tcpPair(t)
			prefer := mode{policy: Prefer, soft: true, rekeys: yes}
			c, s := prefer.client(a, client), tls.Server(b, server)
			shake(t, c, s)
			if off := c.Offload(); !errors.Is(off.TX.Reason, tc.want) || off.RX.Mode != ModeNone {
				t.Errorf("offload: %+v", off)
			}
			mustWrite(t, c, "ping")
			mustRead(t, s, "ping")
		})
	}
}

// TestSharedCache resumes a TLS 1.2 session that crypto/tls stored, without its secret.
func TestSharedCache(t *testing.T) {
	client, server := only(clientConfig(), tls.VersionTLS12), serverConfig()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	a, b := tcpPair(t)
	shake(t, tls.Client(a, client), tls.Server(b, server))
	a, b = tcpPair(t)
	prefer := mode{policy: Prefer, soft: true, rekeys: yes}
	c, s := prefer.client(a, client), tls.Server(b, server)
	shake(t, c, s)
	if !c.ConnectionState().DidResume || !errors.Is(c.Offload().TX.Reason, ErrNoKeys) {
		t.Errorf("resumed %v, offload %+v", c.ConnectionState().DidResume, c.Offload())
	}
	mustWrite(t, c, "ping")
	mustRead(t, s, "ping")
}

// TestConfigKeepsWorking has SNI, GetCertificate, ALPN, a client certificate and the
// verification hooks do their work, and the caller's key log on both sides.
func TestConfigKeepsWorking(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(tls.VersionName(version), func(t *testing.T) { testConfig(t, m, version) })
		}
	})
}

func testConfig(t *testing.T, m mode, version uint16) {
	var asked string
	var verified int
	var logs [2]bytes.Buffer
	cert := testCert()
	server := &tls.Config{
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { asked = h.ServerName; return &cert, nil },
		ClientAuth:     tls.RequireAndVerifyClientCert, ClientCAs: testPool(), NextProtos: []string{"a", "b"}, KeyLogWriter: &logs[0],
	}
	client := only(clientConfig(), version)
	client.NextProtos, client.KeyLogWriter = []string{"b"}, &logs[1]
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	client.VerifyConnection = func(tls.ConnectionState) error { verified++; return nil }
	c, s := connPair(t, m, client, server)
	mustWrite(t, c, "ping")
	mustRead(t, s, "ping")
	mustWrite(t, s, "pong")
	mustRead(t, c, "pong")
	for _, state := range []tls.ConnectionState{c.ConnectionState(), s.ConnectionState()} {
		if state.ServerName != "test.invalid" || state.NegotiatedProtocol != "b" || len(state.PeerCertificates) != 1 || state.Version != version {
			t.Errorf("state: %+v", state)
		}
	}
	if asked != "test.invalid" || verified != 1 {
		t.Errorf("GetCertificate was asked for %q, VerifyConnection ran %d times", asked, verified)
	}
	if logs[0].Len() == 0 || logs[0].String() != logs[1].String() {
		t.Errorf("key logs: %q and %q", logs[0].String(), logs[1].String())
	}
}

package ktls

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// dtlsMode is who makes the records of a test's DTLS connections.
type dtlsMode struct {
	name    string
	policy  Policy
	attach  dtlsAttach
	offload bool
}

var (
	dtlsInUser   = dtlsMode{"user", Never, attachDTLS, false}
	dtlsInSoft   = dtlsMode{"soft", Require, attachSoft, true}
	dtlsInKernel = dtlsMode{"kernel", Require, attachDTLS, true}
)

// with returns a copy of config with the mode's policy.
func (m dtlsMode) with(config *DTLSConfig) *DTLSConfig {
	c := *config
	c.Policy, c.attach = m.policy, m.attach
	return &c
}

// eachDTLSMode runs f in every mode that this machine has; a guest has the kernel's alone.
func eachDTLSMode(t *testing.T, f func(t *testing.T, m dtlsMode)) {
	modes := []dtlsMode{dtlsInUser, dtlsInSoft, dtlsInKernel}
	if inGuest() {
		modes = modes[2:]
	}
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			if m.name == dtlsInKernel.name {
				needDTLS(t)
			}
			f(t, m)
		})
	}
}

// needDTLS skips a test where the kernel has no AF_KTLS. In a guest it loads the module.
func needDTLS(t testing.TB) {
	t.Helper()
	ktlstest.NeedFamily(t, DTLSAvailable)
}

func dtlsServerConfig() *DTLSConfig {
	return &DTLSConfig{Certificates: []tls.Certificate{testCert()}, Retransmit: dtlsTestRetransmit, HandshakeTimeout: ktlstest.Patience}
}

func dtlsClientConfig() *DTLSConfig {
	return &DTLSConfig{RootCAs: testPool(), ServerName: "test.invalid", Retransmit: dtlsTestRetransmit}
}

// dtlsTestRetransmit is long enough for an emulated machine's handshake, and short enough to
// lose a flight in a test.
const dtlsTestRetransmit = 500 * time.Millisecond

// dtlsListen is a server for one test.
func dtlsListen(t testing.TB, m dtlsMode, addr string, config *DTLSConfig) net.Listener {
	t.Helper()
	ln, err := ListenDTLS("udp", addr, m.with(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// dtlsPair makes a connection; a relay lies between the ends where there is one.
func dtlsPair(t testing.TB, cm, sm dtlsMode, cc, sc *DTLSConfig, via *relay) (client, server *DTLSConn) {
	t.Helper()
	ln := dtlsListen(t, sm, "127.0.0.1:0", sc)
	addr := ln.Addr().String()
	if via != nil {
		addr = via.start(t, addr)
	}
	var wg sync.WaitGroup
	var dialErr error
	wg.Go(func() {
		client, dialErr = DialDTLS(t.Context(), "udp", addr, cm.with(cc))
		if dialErr != nil {
			ln.Close()
		}
	})
	accepted, err := ln.Accept()
	wg.Wait()
	if dialErr != nil || err != nil {
		t.Fatalf("dial: %v; accept: %v", dialErr, err)
	}
	server = accepted.(*DTLSConn)
	for _, c := range []*DTLSConn{client, server} {
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(ktlstest.Patience)) // a test that hangs says where
	}
	return client, server
}

// relay passes datagrams on. filter, which is called by one goroutine at a time, says what
// becomes of each; nil passes all.
type relay struct {
	filter func(toServer bool, datagram []byte) [][]byte
	mu     sync.Mutex
	client net.Addr
}

func (r *relay) start(t testing.TB, server string) (addr string) {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	background(t, func() {
		pump(func(p []byte) (n int, err error) {
			var from net.Addr
			n, from, err = front.ReadFrom(p)
			r.mu.Lock()
			r.client = from
			r.mu.Unlock()
			return n, err
		}, func(p []byte) { r.pass(true, p, func(d []byte) { _, _ = back.Write(d) }) })
	})
	background(t, func() {
		pump(back.Read, func(p []byte) { r.pass(false, p, func(d []byte) { _, _ = front.WriteTo(d, r.client) }) })
	})
	t.Cleanup(func() { front.Close(); back.Close() })
	return front.LocalAddr().String()
}

func (r *relay) pass(toServer bool, p []byte, send func([]byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := [][]byte{p}
	if r.filter != nil {
		out = r.filter(toServer, append([]byte(nil), p...))
	}
	for _, d := range out {
		send(d)
	}
}

// pump reads until the socket is closed; other errors are ICMP's.
func pump(read func([]byte) (int, error), take func([]byte)) {
	buf := make([]byte, 1<<16)
	for {
		n, err := read(buf)
		if isTransient(err) {
			continue
		}
		if err != nil {
			return
		}
		take(buf[:n])
	}
}

// records cuts a datagram up.
func records(datagram []byte) (all []dtlsRecord) {
	for rec, rest := cutRecord(datagram); rec != nil; rec, rest = cutRecord(rest) {
		all = append(all, rec)
	}
	return all
}

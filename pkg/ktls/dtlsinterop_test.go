package ktls

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
)

// dtlsOpenSSLCases are OpenSSL's names of the suites.
var dtlsOpenSSLCases = []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}

func eachDTLSOpenSSL(t *testing.T, f func(t *testing.T, m dtlsMode, suite string)) {
	program(t, "openssl", "openssl")
	eachDTLSMode(t, func(t *testing.T, m dtlsMode) {
		for _, suite := range dtlsOpenSSLCases {
			t.Run(suite, func(t *testing.T) { f(t, m, suite) })
		}
	})
}

// TestDTLSOpenSSLServer exchanges lines with openssl s_server, which ends with the connection.
func TestDTLSOpenSSLServer(t *testing.T) {
	cert, key := pemFiles(t)
	eachDTLSOpenSSL(t, func(t *testing.T, m dtlsMode, suite string) {
		p := start(t, nil, "openssl", "s_server", "-dtls1_2", "-accept", "127.0.0.1:0", "-naccept", "1",
			"-cert", cert, "-key", key, "-cipher", suite)
		c, err := DialDTLS(t.Context(), "udp", p.line(t, "ACCEPT "), m.with(dtlsClientConfig()))
		if err != nil {
			t.Fatal(err)
		}
		m.mustBe(t, c)
		_ = c.SetDeadline(time.Now().Add(ktlstest.Patience))
		line := strings.Repeat("0123456789", 100)
		for _, n := range []string{"line 1: ", "line 2: ", "line 3: "} { // no line of its own begins so
			mustWrite(t, c, n+line+"\n")
			if got := p.line(t, n); got != line {
				t.Errorf("s_server got %q", got)
			}
			mustWrite(t, p.in, line+n+"\n")
			mustReadRecord(t, c, line+n+"\n")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("s_server after close_notify: %v", err)
		}
	})
}

// TestDTLSOpenSSLClient echoes what openssl s_client sends.
func TestDTLSOpenSSLClient(t *testing.T) {
	eachDTLSOpenSSL(t, func(t *testing.T, m dtlsMode, suite string) {
		ln := dtlsListen(t, m, "127.0.0.1:0", dtlsServerConfig())
		said := make(chan Offload, 1)
		ended := serveOne(ln, func(c net.Conn) {
			said <- c.(*DTLSConn).Offload()
			echo(c)
		})
		p := start(t, nil, "openssl", "s_client", "-dtls1_2", "-connect", ln.Addr().String(), "-servername", "test.invalid", "-quiet", "-no_ign_eof", "-cipher", suite)
		if off := <-said; m.offload && off.TX.Mode != ModeSoftware {
			t.Errorf("offload %+v", off)
		}
		for _, want := range []string{"one", "two", "three"} {
			mustWrite(t, p.in, want+"\n")
			if got := p.line(t, want[:1]); got != want[1:] {
				t.Errorf("%q, want %q", got, want[1:])
			}
		}
		p.in.Close() // s_client sends close_notify
		<-ended
	})
}

package programs

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// A browser requests files from a server over one connection.
type browser struct {
	peers   *peers
	version uint16 // of TLS
	h2      bool
	port    int
	close   func()
	http    http.Client
}

// versions are the TLS versions used with each program, and their names.
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

func newBrowser(ps *peers, port int, version uint16, h2 bool) *browser {
	b := &browser{peers: ps, version: version, h2: h2, port: port}
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if h2 {
		t := &http2.Transport{DisableCompression: true, DialTLSContext: func(context.Context, string, string, *tls.Config) (net.Conn, error) {
			return ps.dial(port, version, "h2")
		}}
		b.http.Transport, b.close = t, t.CloseIdleConnections
		return b
	}
	t := &http.Transport{DisableCompression: true, ExpectContinueTimeout: patience, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return ps.dial(port, version, "http/1.1")
	}}
	b.http.Transport, b.close = t, t.CloseIdleConnections
	return b
}

// An answer is a response that was read completely.
type answer struct {
	status int
	body   []byte
}

// ask sends a request and reads the response. Headers are "Name: value".
func (b *browser) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, fmt.Sprintf("https://%s%s", address(b.port), path), nil)
	must(t, err)
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := b.http.Do(req)
	must(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, got}
}

// get requests a file that must exist, and checks its content.
func (b *browser) get(t *testing.T, path string, want []byte, headers ...string) {
	t.Helper()
	if a := b.ask(t, http.MethodGet, path, "", headers...); string(a.body) != string(want) {
		t.Errorf("port %d, HTTP/2 %v, TLS %x: %s: status %d, %d bytes, want %d", b.port, b.h2, b.version, path, a.status, len(a.body), len(want))
	}
}

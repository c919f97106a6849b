package ktls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
	"github.com/ktlstop/ktlstop/pkg/ktls/ktlshttp"
)

// TestHTTPForm: the temporary files of a form are removed after its request, with either protocol.
func TestHTTPForm(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			files := 0
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if err := r.ParseMultipartForm(1); err != nil {
					t.Error(err)
				}
				files = countFiles(t, dir)
			})
			s, addr := webServer(t, &http.Server{Handler: handler, Protocols: only(proto)}, &ktls.Config{TLS: ktls.ServerTLS()})
			tr := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS()})
			body, contentType := form(t)
			resp, err := (&http.Client{Transport: tr, Timeout: ktlstest.Patience}).Post("https://"+addr, contentType, body)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			tr.CloseIdleConnections()
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if left := countFiles(t, dir); files != 1 || left != 0 {
				t.Errorf("%d files during the request, want 1; %d are left", files, left)
			}
		})
	}
}

// form has a file that is too large for the memory of net/http.
func form(t *testing.T) (body io.Reader, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile("file", "name")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, 11<<20))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, m.FormDataContentType()
}

func countFiles(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	return len(entries)
}

// TestHTTPWithoutHandshakeTimeout: a server needs handshakes that are complete, whatever the Config says.
func TestHTTPWithoutHandshakeTimeout(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, &ktls.Config{TLS: ktls.ServerTLS(), HandshakeTimeout: -1})
	tr := &http.Transport{TLSClientConfig: ktls.ClientTLS(), ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, addr, "HTTP/2.0")
}

// TestHTTPWithoutPreface: a client that agrees on h2 and sends nothing is dropped after ten seconds; one that sends its
// preface stays. The time is synctest's.
func TestHTTPWithoutPreface(t *testing.T) {
	config := ktls.ClientTLS()
	config.InsecureSkipVerify = true // the certificate is of today, and synctest begins in the year 2000
	config.NextProtos = []string{"h2"}
	for name, c := range map[string]struct {
		preface string
		drops   bool
	}{
		"silent": {"", true},
		"polite": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", false}, // with empty SETTINGS
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener()
				s := &ktlshttp.Server{HTTP: &http.Server{ErrorLog: quiet}, Config: &ktls.Config{TLS: ktls.ServerTLS()}}
				done := make(chan error, 1)
				go func() { done <- s.Serve(ln) }()
				client := tls.Client(ln.dial(), config)
				if _, err := io.WriteString(client, c.preface); err != nil {
					t.Fatal(err)
				}
				_ = client.SetReadDeadline(time.Now().Add(time.Minute))
				start := time.Now()
				_, err := io.Copy(io.Discard, client)
				if took := time.Since(start); (err == nil) != c.drops || (took == 10*time.Second) != c.drops {
					t.Errorf("the connection ended after %v, %v", took, err)
				}
				_ = client.Close()
				_ = s.Close()
				<-done
			})
		})
	}
}

// lines is a log's output, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) { l <- string(p); return len(p), nil }

// next waits for a line. It ends the test where none comes.
func (l lines) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l:
		return line
	case <-time.After(ktlstest.Patience):
		t.Fatal("nothing was logged")
		return ""
	}
}

// TestHTTPLogsFailedHandshakes: one line for each, as net/http writes it, and the caller's hook gets the error.
func TestHTTPLogsFailedHandshakes(t *testing.T) {
	logged := make(lines, 10)
	errs := make(chan error, 10)
	config := &ktls.Config{TLS: ktls.ServerTLS(), OnHandshakeError: func(_ *ktls.Conn, err error) { errs <- err }}
	s, addr := webServer(t, &http.Server{Handler: webHandler(t), ErrorLog: log.New(logged, "", 0)}, config)
	for range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(c, &tls.Config{ServerName: "test.invalid"}).Handshake(); err == nil {
			t.Fatal("the client has trusted an unknown authority")
		}
		got := logged.next(t)
		if want := fmt.Sprintf("http: TLS handshake error from %s: %v\n", c.LocalAddr(), <-errs); got != want || !strings.Contains(got, "remote error") {
			t.Errorf("logged %q, want %q", got, want)
		}
		_ = c.Close()
	}
	_ = s.Close()
	if n := len(logged); n != 0 {
		t.Errorf("%d more lines, the first: %s", n, <-logged)
	}
}

// TestHTTPProhibitedSuite: HTTP/2 with a cipher suite that it prohibits ends with GOAWAY before the first request, unless
// the server permits such suites. HTTP/1.1 may have them.
func TestHTTPProhibitedSuite(t *testing.T) {
	logged := make(lines, 10)
	_, addr := webServer(t, &http.Server{Handler: webHandler(t), ErrorLog: log.New(logged, "", 0)}, &ktls.Config{TLS: ktls.ServerTLS()})
	client := ktls.ClientTLS()
	client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}

	h2 := client.Clone()
	h2.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", addr, h2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(ktlstest.Patience))
	const why = "it prohibits the cipher suite TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"
	want := "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + // empty SETTINGS, and GOAWAY before stream 1 with INADEQUATE_SECURITY
		"\x00\x00" + string(rune(8+len(why))) + "\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x0c" + why
	if got, err := io.ReadAll(c); string(got) != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if line := logged.next(t); !strings.Contains(line, c.LocalAddr().String()) || !strings.Contains(line, "AES_128_CBC_SHA") {
		t.Errorf("logged %q", line)
	}

	_, permits := webServer(t, &http.Server{Handler: webHandler(t), HTTP2: &http.HTTP2Config{PermitProhibitedCipherSuites: true}}, &ktls.Config{TLS: ktls.ServerTLS()})
	for proto, to := range map[string]string{"HTTP/1.1": addr, "HTTP/2.0": permits} {
		tr := &http.Transport{TLSClientConfig: client.Clone(), Protocols: only(proto)}
		fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, to, proto)
		tr.CloseIdleConnections()
	}
}

// TestHTTPProhibitedSuiteUnread: a client that does not take its GOAWAY holds up neither other clients nor Close.
func TestHTTPProhibitedSuiteUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := ktls.ClientTLS()
		config.InsecureSkipVerify = true // the certificate is of today, and synctest begins in the year 2000
		config.NextProtos = []string{"h2"}
		config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		ln := newPipeListener()
		s := &ktlshttp.Server{HTTP: &http.Server{ErrorLog: quiet}, Config: &ktls.Config{TLS: ktls.ServerTLS()}}
		done := make(chan error, 1)
		go func() { done <- s.Serve(ln) }()
		start := time.Now()
		for range 2 {
			if err := tls.Client(ln.dial(), config).Handshake(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // both GOAWAYs wait for a reader, which a net.Pipe needs
		_ = s.Close()
		if err := <-done; err != http.ErrServerClosed || time.Since(start) != 0 {
			t.Errorf("Serve ended after %v, %v", time.Since(start), err)
		}
	})
}

// pipeListener accepts the other ends of net.Pipe.
type pipeListener struct {
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn)}
	l.closed, l.close = context.WithCancel(context.Background())
	return l
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.close(); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

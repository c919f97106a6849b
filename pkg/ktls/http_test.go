package ktls

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var webContent = bytes.Repeat([]byte("0123456789abcdef"), 20000)

// webHandler serves a file at /file and echoes at /echo.
func webHandler(t testing.TB) http.Handler {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(path, webContent, 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // HTTP/1 does not read on once it has answered
		_, _ = w.Write(body)
	})
	return mux
}

// webServer serves over Conns and returns its address. HTTP/2 goes by its preface, which
// net/http looks for where it sees no TLS: its ALPN hook knows *tls.Conn alone.
func webServer(t testing.TB, m mode, protocols ...string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := serverConfig()
	config.NextProtos = protocols
	srv := &http.Server{Handler: webHandler(t), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(modeListener{ln, config, m})
	}()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}

type modeListener struct {
	net.Listener
	config *tls.Config
	mode   mode
}

func (l modeListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := l.mode.server(conn, l.config)
	if slices.Contains(l.config.NextProtos, "h2") {
		return struct{ net.Conn }{c}, nil // without ConnectionState
	}
	return c, nil
}

func fetch(t *testing.T, client *http.Client, addr, proto string) {
	t.Helper()
	for range 2 { // the second on the same connection
		resp, err := client.Get("https://" + addr + "/file")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, webContent) || resp.Proto != proto {
			t.Fatalf("%s: %d of %d bytes, %v", resp.Proto, len(got), len(webContent), err)
		}
	}
	resp, err := client.Post("https://"+addr+"/echo", "text/plain", bytes.NewReader(webContent[:50000]))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, webContent[:50000]) {
		t.Fatalf("echo: %d bytes, %v", len(got), err)
	}
}

func TestHTTPServer(t *testing.T) { eachMode(t, testHTTPServer) }

func testHTTPServer(t *testing.T, m mode) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			alpn := map[string]string{"HTTP/1.1": "http/1.1", "HTTP/2.0": "h2"}[proto]
			addr := webServer(t, m, alpn)
			tr := &http.Transport{TLSClientConfig: clientConfig(), ForceAttemptHTTP2: true}
			defer tr.CloseIdleConnections()
			fetch(t, &http.Client{Transport: tr, Timeout: time.Minute}, addr, proto)
		})
	}
}

func TestHTTPClient(t *testing.T) { eachMode(t, testHTTPClient) }

func testHTTPClient(t *testing.T, m mode) {
	srv := httptest.NewUnstartedServer(webHandler(t))
	srv.TLS = serverConfig()
	srv.StartTLS()
	defer srv.Close()
	pool := testPool()
	pool.AddCert(srv.Certificate())
	d := &Dialer{Config: m.config(&tls.Config{RootCAs: pool})}
	tr := &http.Transport{DialTLSContext: d.DialContext}
	defer tr.CloseIdleConnections()
	fetch(t, &http.Client{Transport: tr, Timeout: time.Minute}, srv.Listener.Addr().String(), "HTTP/1.1")
}

func TestCurl(t *testing.T) {
	curl := program(t, "curl", "curl")
	inSoftAndKernel(t, func(t *testing.T, m mode) {
		addr := webServer(t, m, "h2", "http/1.1")
		for name, args := range map[string][]string{
			"download h2":  {"--http2", "https://" + addr + "/file"},
			"download 1.2": {"--http1.1", "--tls-max", "1.2", "https://" + addr + "/file"},
			"AES-256 1.2":  {"--http1.1", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384", "https://" + addr + "/file"},
			"ChaCha 1.2":   {"--http1.1", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305", "https://" + addr + "/file"},
			"AES-256 1.3":  {"--http1.1", "--tls13-ciphers", "TLS_AES_256_GCM_SHA384", "https://" + addr + "/file"},
			"ChaCha 1.3":   {"--http1.1", "--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256", "https://" + addr + "/file"},
			"upload":       {"--http1.1", "--data-binary", "@-", "https://" + addr + "/echo"},
		} {
			t.Run(name, func(t *testing.T) {
				cmd := exec.Command(curl, append([]string{"-sS", "-k", "--max-time", "60"}, args...)...)
				cmd.Stdin = bytes.NewReader(webContent)
				cmd.Stderr = os.Stderr
				if got, err := cmd.Output(); err != nil || !bytes.Equal(got, webContent) {
					t.Errorf("got %d of %d bytes, %v", len(got), len(webContent), err)
				}
			})
		}
	})
}

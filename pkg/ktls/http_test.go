package ktls_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
	"github.com/ktlstop/ktlstop/pkg/ktls/ktlshttp"
)

var webContent = bytes.Repeat([]byte("0123456789abcdef"), 20000)

// webHandler serves a file at /file and echoes at /echo. A request that does not see its TLS state is answered with 500.
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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			http.Error(w, "no TLS state", http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// plainListener is one of plain TCP.
func plainListener(t testing.TB) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// quiet drops what a server logs of clients that do not speak its protocol.
var quiet = log.New(io.Discard, "", 0)

// webServer serves until the test ends, and returns its address.
func webServer(t testing.TB, srv *http.Server, config *ktls.Config) (s *ktlshttp.Server, addr string) {
	t.Helper()
	if srv.ErrorLog == nil {
		srv.ErrorLog = quiet
	}
	s = &ktlshttp.Server{HTTP: srv, Config: config}
	ln := plainListener(t)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, ln.Addr().String()
}

// fetch gets the file twice, the second time on the same connection, and has a body echoed.
func fetch(t *testing.T, client *http.Client, addr, proto string) {
	t.Helper()
	for range 2 {
		resp, err := client.Get("https://" + addr + "/file")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, webContent) || resp.Proto != proto {
			t.Fatalf("%s, %s: %d of %d bytes, %v", resp.Proto, resp.Status, len(got), len(webContent), err)
		}
		if resp.TLS == nil || !resp.TLS.HandshakeComplete || len(resp.TLS.PeerCertificates) == 0 {
			t.Errorf("%s: the response's TLS state is %+v", proto, resp.TLS)
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

// only returns a set of one protocol.
func only(proto string) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(proto == "HTTP/1.1")
	p.SetHTTP2(proto == "HTTP/2.0")
	return p
}

// TestHTTPServer: net/http's own client gets HTTP/2 unless it, or the server, has only HTTP/1.1.
func TestHTTPServer(t *testing.T) {
	ktls.EachMode(t, func(t *testing.T, config func(*tls.Config) *ktls.Config) {
		_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, config(ktls.ServerTLS()))
		_, oldAddr := webServer(t, &http.Server{Handler: webHandler(t), Protocols: only("HTTP/1.1")}, config(ktls.ServerTLS()))
		for name, c := range map[string]struct{ addr, offers, proto string }{
			"both":        {addr, "", "HTTP/2.0"},
			"old client":  {addr, "HTTP/1.1", "HTTP/1.1"},
			"old server":  {oldAddr, "", "HTTP/1.1"},
			"only HTTP/2": {addr, "HTTP/2.0", "HTTP/2.0"},
		} {
			t.Run(name, func(t *testing.T) {
				tr := &http.Transport{TLSClientConfig: ktls.ClientTLS(), ForceAttemptHTTP2: true}
				if c.offers != "" {
					tr.Protocols = only(c.offers)
				}
				defer tr.CloseIdleConnections()
				fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, c.addr, c.proto)
			})
		}
	})
}

// TestHTTPClient: net/http's own server, with and without HTTP/2.
func TestHTTPClient(t *testing.T) {
	ktls.EachMode(t, func(t *testing.T, config func(*tls.Config) *ktls.Config) {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(proto, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(webHandler(t))
				srv.TLS, srv.EnableHTTP2 = ktls.ServerTLS(), proto == "HTTP/2.0"
				srv.StartTLS()
				defer srv.Close()
				pool := ktls.RootPool()
				pool.AddCert(srv.Certificate())
				tr := ktlshttp.NewTransport(nil, config(&tls.Config{RootCAs: pool}))
				defer tr.CloseIdleConnections()
				fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, srv.Listener.Addr().String(), proto)
			})
		}
	})
}

// TestHTTPFirstRequestHasABody: the body of a request whose first attempt meets the other protocol is sent whole, once.
func TestHTTPFirstRequestHasABody(t *testing.T) {
	ktls.EachMode(t, func(t *testing.T, config func(*tls.Config) *ktls.Config) {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			_, addr := webServer(t, &http.Server{Handler: webHandler(t), Protocols: only(proto)}, config(ktls.ServerTLS()))
			tr := ktlshttp.NewTransport(nil, config(ktls.ClientTLS()))
			defer tr.CloseIdleConnections()
			body := newCloses(webContent)
			resp, err := (&http.Client{Transport: tr, Timeout: ktlstest.Patience}).Post("https://"+addr+"/echo", "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || !bytes.Equal(got, webContent) || resp.Proto != proto {
				t.Errorf("%s: %d of %d bytes, %v", resp.Proto, len(got), len(webContent), err)
			}
			body.mustClose(t)
		}
	})
}

// closes is a body that says when it is closed.
type closes struct {
	io.Reader
	times  atomic.Int32
	closed chan struct{}
}

func newCloses(content []byte) *closes {
	return &closes{Reader: bytes.NewReader(content), closed: make(chan struct{})}
}

func (c *closes) Close() error {
	if c.times.Add(1) == 1 {
		close(c.closed)
	}
	return nil
}

// mustClose waits for the Close: net/http may close a body on another goroutine, after the response has come.
func (c *closes) mustClose(t *testing.T) {
	t.Helper()
	select {
	case <-c.closed:
	case <-time.After(ktlstest.Patience):
		t.Error("the body was not closed")
	}
}

// TestHTTPPlainText: a client without TLS gets nothing, least of all HTTP/2.
func TestHTTPPlainText(t *testing.T) {
	var served atomic.Int32
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) })}
	_, addr := webServer(t, srv, &ktls.Config{TLS: ktls.ServerTLS()})
	if srv.Protocols != nil {
		t.Errorf("the caller's server has protocols now: %v", srv.Protocols)
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(proto == "HTTP/1.1")
		tr.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
		resp, err := (&http.Client{Transport: tr, Timeout: ktlstest.Patience}).Get("http://" + addr)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: answered with %s", proto, resp.Status)
		}
	}
	if served.Load() != 0 {
		t.Errorf("%d requests were served", served.Load())
	}
}

// TestHTTPShutdown: a request that is under way is answered, with either protocol, and new ones are refused.
func TestHTTPShutdown(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			began, goOn := make(chan struct{}), make(chan struct{})
			handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				close(began)
				<-goOn
				_, _ = io.WriteString(w, "served")
			})
			s, addr := webServer(t, &http.Server{Handler: handler, Protocols: only(proto)}, &ktls.Config{TLS: ktls.ServerTLS()})
			tr := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS()})
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: ktlstest.Patience}
			answer := make(chan string, 1)
			go func() { answer <- get(client, addr) }()
			<-began
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if err := s.Shutdown(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("shutdown did not wait for the request: %v", err)
			}
			close(goOn)
			if got := <-answer; got != "served" {
				t.Errorf("answer: %q", got)
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := net.Dial("tcp", addr); err == nil {
				t.Error("it still listens")
			}
		})
	}
}

func get(client *http.Client, addr string) string {
	resp, err := client.Get("https://" + addr)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestHTTPHooks: hooks see the caller's server and *ktls.Conn, with either protocol.
func TestHTTPHooks(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			type key struct{}
			var states atomic.Int32
			srv := &http.Server{Protocols: only(proto)}
			srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
				return context.WithValue(ctx, key{}, c.(*ktls.Conn).Offload())
			}
			srv.ConnState = func(c net.Conn, _ http.ConnState) { _ = c.(*ktls.Conn); states.Add(1) }
			srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, seen := r.Context().Value(key{}).(ktls.Offload)
				if r.Context().Value(http.ServerContextKey) == srv && seen && r.TLS.ServerName == "test.invalid" {
					_, _ = io.WriteString(w, r.Proto)
				}
			})
			_, addr := webServer(t, srv, &ktls.Config{TLS: ktls.ServerTLS()})
			tr := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS()})
			defer tr.CloseIdleConnections()
			if got := get(&http.Client{Transport: tr, Timeout: ktlstest.Patience}, addr); got != proto || states.Load() == 0 {
				t.Errorf("answer %q, %d changes of state", got, states.Load())
			}
		})
	}
}

func TestCurl(t *testing.T) {
	curl := ktls.Program(t, "curl", "curl")
	ktls.InSoftAndKernel(t, func(t *testing.T, config func(*tls.Config) *ktls.Config) {
		_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, config(ktls.ServerTLS()))
		for name, args := range map[string][]string{
			"download h2":  {"--http2", "https://" + addr + "/file"},
			"upload h2":    {"--http2", "--data-binary", "@-", "https://" + addr + "/echo"},
			"download 1.2": {"--http1.1", "--tls-max", "1.2", "https://" + addr + "/file"},
			"AES-256 1.2":  {"--http1.1", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384", "https://" + addr + "/file"},
			"ChaCha 1.2":   {"--http1.1", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305", "https://" + addr + "/file"},
			"AES-256 1.3":  {"--http1.1", "--tls13-ciphers", "TLS_AES_256_GCM_SHA384", "https://" + addr + "/file"},
			"ChaCha 1.3":   {"--http1.1", "--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256", "https://" + addr + "/file"},
			"upload":       {"--http1.1", "--data-binary", "@-", "https://" + addr + "/echo"},
		} {
			t.Run(name, func(t *testing.T) {
				cmd := exec.Command(curl, append([]string{"-sS", "-k", "--max-time", "300"}, args...)...)
				cmd.Stdin = bytes.NewReader(webContent)
				cmd.Stderr = os.Stderr
				if got, err := cmd.Output(); err != nil || !bytes.Equal(got, webContent) {
					t.Errorf("got %d of %d bytes, %v", len(got), len(webContent), err)
				}
			})
		}
	})
}

// TestHTTPServerRefuses: what cannot serve says so at once, and closes its listener.
func TestHTTPServerRefuses(t *testing.T) {
	for want, s := range map[string]*ktlshttp.Server{
		"Server.HTTP is nil": {Config: &ktls.Config{TLS: ktls.ServerTLS()}},
		"has Certificates":   {HTTP: &http.Server{}},
	} {
		ln := plainListener(t)
		if err := s.Serve(ln); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the listener is open: %v", err)
		}
	}
}

// TestHTTPManyAtOnce: the first requests to a host, all at once, leave no connection behind but those that are idle.
func TestHTTPManyAtOnce(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		var open sync.WaitGroup
		srv := &http.Server{Handler: webHandler(t), Protocols: only(proto)}
		srv.ConnState = func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed:
				open.Done()
			}
		}
		s, addr := webServer(t, srv, &ktls.Config{TLS: ktls.ServerTLS(), HandshakeTimeout: ktlstest.Patience})
		tr := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS(), HandshakeTimeout: ktlstest.Patience})
		client := &http.Client{Transport: tr, Timeout: ktlstest.Patience}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if got := get(client, addr+"/file"); got != string(webContent) {
					t.Errorf("%s: got %d bytes: %.60q", proto, len(got), got)
				}
			})
		}
		wg.Wait()
		client.CloseIdleConnections()
		open.Wait() // the server sees the end of each, or the test never ends
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: %v", proto, err)
		}
	}
}

// TestHTTPEnds: whichever way a server is ended, Serve returns and idle connections of either protocol are closed.
func TestHTTPEnds(t *testing.T) {
	for name, end := range map[string]func(*ktlshttp.Server) error{
		"Shutdown":      func(s *ktlshttp.Server) error { return s.Shutdown(context.Background()) },
		"Close":         (*ktlshttp.Server).Close,
		"HTTP.Shutdown": func(s *ktlshttp.Server) error { return s.HTTP.Shutdown(context.Background()) },
		"HTTP.Close":    func(s *ktlshttp.Server) error { return s.HTTP.Close() },
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+proto, func(t *testing.T) {
				s := &ktlshttp.Server{HTTP: &http.Server{Handler: webHandler(t), Protocols: only(proto)}, Config: &ktls.Config{TLS: ktls.ServerTLS()}}
				ln := plainListener(t)
				done := make(chan error, 1)
				go func() { done <- s.Serve(ln) }()
				var conns sync.WaitGroup
				tr := ktlshttp.NewTransport(&http.Transport{DialContext: watched(&conns)}, &ktls.Config{TLS: ktls.ClientTLS()})
				client := &http.Client{Transport: tr, Timeout: ktlstest.Patience}
				if got := get(client, ln.Addr().String()+"/file"); got != string(webContent) {
					t.Fatalf("got %d bytes", len(got))
				}
				if err := end(s); err != nil {
					t.Error(err)
				}
				if err := <-done; !errors.Is(err, http.ErrServerClosed) {
					t.Errorf("Serve: %v", err)
				}
				conns.Wait() // the client sees the end of each, or the test never ends
			})
		}
	}
}

// watched is a dialer's DialContext that counts the connections that are open.
func watched(open *sync.WaitGroup) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &watchedConn{Conn: c, closed: sync.OnceFunc(open.Done)}, nil
	}
}

type watchedConn struct {
	net.Conn
	closed func()
}

func (c *watchedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

package ktls_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/internal/ktlstest"
	"github.com/ktlstop/ktlstop/pkg/ktls/ktlshttp"
)

// TestHTTPProxy: through a proxy net/http makes the TLS connection itself, as Config.TLS says.
func TestHTTPProxy(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, &ktls.Config{TLS: ktls.ServerTLS()})
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			proxy, tunnels := tunnelProxy(t, scheme)
			var verified atomic.Int32
			config := ktls.ClientTLS()
			config.VerifyConnection = func(tls.ConnectionState) error { verified.Add(1); return nil }
			tr := ktlshttp.NewTransport(&http.Transport{Proxy: http.ProxyURL(proxy)}, &ktls.Config{TLS: config})
			defer tr.CloseIdleConnections()
			fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, addr, "HTTP/1.1")
			if n := tunnels.Load(); n == 0 || n > 3 || verified.Load() == 0 { // three requests; net/http may not reuse a connection
				t.Errorf("%d tunnels, %d calls of VerifyConnection", n, verified.Load())
			}
		})
	}
}

// TestHTTPProxyRefused: a certificate that Config.TLS does not accept is refused through a proxy too, although the base
// transport accepts all.
func TestHTTPProxyRefused(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, &ktls.Config{TLS: ktls.ServerTLS()})
	proxy, _ := tunnelProxy(t, "http")
	pinned := errors.New("another certificate is pinned")
	config := ktls.ClientTLS()
	config.VerifyConnection = func(tls.ConnectionState) error { return pinned }
	base := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	_, err := ktlshttp.NewTransport(base, &ktls.Config{TLS: config}).RoundTrip(request(t, "https://"+addr+"/file", nil))
	if !errors.Is(err, pinned) {
		t.Errorf("error %v", err)
	}
}

// TestHTTPProxyRequired: with Require a request does not go through a proxy. Its body is closed.
func TestHTTPProxyRequired(t *testing.T) {
	proxy, tunnels := tunnelProxy(t, "http")
	tr := ktlshttp.NewTransport(&http.Transport{Proxy: http.ProxyURL(proxy)}, &ktls.Config{TLS: ktls.ClientTLS(), Policy: ktls.Require})
	body := newCloses(webContent)
	_, err := tr.RoundTrip(request(t, "https://test.invalid", body))
	var offload *ktls.OffloadError
	if !errors.As(err, &offload) || !errors.Is(err, ktlshttp.ErrProxy) || tunnels.Load() != 0 || body.times.Load() != 1 {
		t.Errorf("error %v, %d tunnels, the body was closed %d times", err, tunnels.Load(), body.times.Load())
	}
}

// TestHTTPProxyChanges: what Proxy answers first holds for the whole request. A second answer does not get it past Require,
// nor past the proxy.
func TestHTTPProxyChanges(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t), Protocols: only("HTTP/1.1")}, &ktls.Config{TLS: ktls.ServerTLS()})
	proxy, tunnels := tunnelProxy(t, "http")
	get := func(t *testing.T, config *ktls.Config, answers ...*url.URL) {
		t.Helper()
		asked := 0
		tr := ktlshttp.NewTransport(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
			asked++
			return answers[min(asked, len(answers))-1], nil
		}}, config)
		defer tr.CloseIdleConnections()
		r := request(t, "https://"+addr+"/file", nil)
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if asked != 1 || resp.Request != r || resp.TLS == nil {
			t.Errorf("Proxy was asked %d times; request %p of %p, TLS %v", asked, resp.Request, r, resp.TLS)
		}
	}
	ktls.EachMode(t, func(t *testing.T, config func(*tls.Config) *ktls.Config) {
		get(t, config(ktls.ClientTLS()), nil, proxy)
		if n := tunnels.Load(); n != 0 {
			t.Errorf("%d tunnels of the second answer", n)
		}
	})
	get(t, &ktls.Config{TLS: ktls.ClientTLS()}, proxy, nil)
	if n := tunnels.Load(); n != 1 {
		t.Errorf("%d tunnels of the first answer, want 1", n)
	}
}

// TestHTTPProxyWithoutTLS: Proxy is asked about requests without TLS too.
func TestHTTPProxyWithoutTLS(t *testing.T) {
	refused := errors.New("no way there")
	tr := ktlshttp.NewTransport(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, refused }}, nil)
	for _, scheme := range []string{"http", "https"} {
		if _, err := tr.RoundTrip(request(t, scheme+"://test.invalid", nil)); !errors.Is(err, refused) {
			t.Errorf("%s: error %v", scheme, err)
		}
	}
}

// tunnelProxy is a proxy for CONNECT, reached by http or https, that counts its tunnels. By https it speaks HTTP/2 too, to
// those who offer it.
func tunnelProxy(t *testing.T, scheme string) (*url.URL, *atomic.Int32) {
	t.Helper()
	tunnels := new(atomic.Int32)
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tunnels.Add(1)
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
		}()
		_, _ = io.Copy(from, to)
	}))
	if scheme == "https" {
		proxy.TLS, proxy.EnableHTTP2 = ktls.ServerTLS(), true
		proxy.StartTLS()
	} else {
		proxy.Start()
	}
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, tunnels
}

func request(t *testing.T, to string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHTTPWithoutURL: what net/http returns an error for does not panic.
func TestHTTPWithoutURL(t *testing.T) {
	tr := ktlshttp.NewTransport(nil, nil)
	for _, r := range []*http.Request{{}, {URL: &url.URL{}}, {URL: &url.URL{Scheme: "https"}}} {
		if _, err := tr.RoundTrip(r); err == nil {
			t.Errorf("URL %v: no error", r.URL)
		}
	}
}

// TestHTTPClientProtocols: Protocols, or else an empty TLSNextProto, switches HTTP/2 off.
func TestHTTPClientProtocols(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t)}, &ktls.Config{TLS: ktls.ServerTLS()})
	type nextProto = map[string]func(string, *tls.Conn) http.RoundTripper
	for want, base := range map[string]*http.Transport{
		"HTTP/2.0": {Protocols: only("HTTP/2.0"), TLSNextProto: nextProto{}},
		"HTTP/1.1": {TLSNextProto: nextProto{}},
	} {
		tr := ktlshttp.NewTransport(base, &ktls.Config{TLS: ktls.ClientTLS()})
		fetch(t, &http.Client{Transport: tr, Timeout: ktlstest.Patience}, addr, want)
		tr.CloseIdleConnections()
	}
}

// TestHTTPSecondBody: the second attempt asks GetBody for its body, since the first one may have been read.
func TestHTTPSecondBody(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t), Protocols: only("HTTP/1.1")}, &ktls.Config{TLS: ktls.ServerTLS()})
	tr := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS()})
	defer tr.CloseIdleConnections()
	first, second := newCloses(nil), newCloses(webContent)
	r := request(t, "https://"+addr+"/echo", first)
	r.ContentLength = int64(len(webContent))
	r.GetBody = func() (io.ReadCloser, error) { return second, nil }
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !bytes.Equal(got, webContent) {
		t.Errorf("%d of %d bytes, %v", len(got), len(webContent), err)
	}
	first.mustClose(t)
	second.mustClose(t)
}

// TestHTTPGetBodyFails: its error is the request's.
func TestHTTPGetBodyFails(t *testing.T) {
	_, addr := webServer(t, &http.Server{Handler: webHandler(t), Protocols: only("HTTP/1.1")}, &ktls.Config{TLS: ktls.ServerTLS()})
	lost := errors.New("the body is gone")
	r := request(t, "https://"+addr+"/echo", newCloses(webContent))
	r.ContentLength = int64(len(webContent))
	r.GetBody = func() (io.ReadCloser, error) { return nil, lost }
	if _, err := ktlshttp.NewTransport(nil, &ktls.Config{TLS: ktls.ClientTLS()}).RoundTrip(r); !errors.Is(err, lost) {
		t.Errorf("error %v", err)
	}
}

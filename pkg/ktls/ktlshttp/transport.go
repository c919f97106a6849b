package ktlshttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Transport is an http.RoundTripper that makes HTTPS connections with package ktls and speaks what ALPN chose, HTTP/2 or
// HTTP/1.1. Each protocol has an http.Transport of its own.
//
// Requests through a proxy use crypto/tls and HTTP/1.1, because net/http makes the TLS connection through a proxy itself.
// Config.TLS configures that connection too. With [ktls.Require] such a request fails with [ErrProxy]. An environment
// variable such as HTTPS_PROXY is enough for a proxy, where Transport.Proxy is http.ProxyFromEnvironment, as that of
// http.DefaultTransport is. Proxy is asked once for each request to an https URL.
type Transport struct {
	base   *http.Transport
	config *ktls.Config
	http1  *http.Transport // also for http:// and for proxies
	http2  *http.Transport

	mu     sync.Mutex
	spoken map[string]string // by host and port, what ALPN chose last
}

// maxSpoken bounds what a Transport remembers of hosts. It only saves a detour.
const maxSpoken = 4096

// NewTransport returns a Transport with the limits, dialer, proxy and protocols of base, which is copied. nil means
// http.DefaultTransport or, where somebody has replaced that by another type, a zero one with the environment's proxy. Where
// config or config.TLS is nil, base.TLSClientConfig is used, and where config.HandshakeTimeout is zero,
// base.TLSHandshakeTimeout. Of the dialers only base.DialContext is used: base.Dial, base.DialTLS and base.DialTLSContext
// are ignored.
func NewTransport(base *http.Transport, config *ktls.Config) *Transport {
	if base == nil {
		base, _ = http.DefaultTransport.(*http.Transport)
	}
	if base == nil {
		base = &http.Transport{Proxy: http.ProxyFromEnvironment}
	}
	base = base.Clone()
	t := &Transport{base: base, config: clientConfig(base, config), spoken: map[string]string{}}
	t.http1, t.http2 = t.speaking("http/1.1"), t.speaking("h2")
	t.http1.Protocols.SetHTTP1(true)
	if base.Proxy != nil {
		t.http1.Proxy = chosenProxy(base.Proxy)
	}
	t.http1.TLSClientConfig = t.config.TLS.Clone() // for connections through a proxy
	t.http1.TLSClientConfig.NextProtos = []string{"http/1.1"}
	t.http1.TLSHandshakeTimeout = max(0, t.config.HandshakeTimeout)
	t.http2.Protocols.SetUnencryptedHTTP2(true) // which is what net/http calls a connection that is no *tls.Conn
	t.http2.Proxy = nil
	return t
}

// clientConfig is the Config of all connections.
func clientConfig(base *http.Transport, config *ktls.Config) *ktls.Config {
	var c ktls.Config
	if config != nil {
		c = *config
	}
	if c.TLS == nil {
		c.TLS = base.TLSClientConfig
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{}
	}
	c.TLS = c.TLS.Clone()
	_, h2 := base.TLSNextProto["h2"]
	http1, http2 := protocols(base.Protocols, base.TLSNextProto != nil && !h2)
	c.TLS.NextProtos = offer(c.TLS.NextProtos, http1, http2)
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = base.TLSHandshakeTimeout
	}
	return &c
}

// speaking returns a transport for connections whose ALPN chose this protocol.
func (t *Transport) speaking(protocol string) *http.Transport {
	tr := t.base.Clone()
	tr.Protocols = new(http.Protocols)
	tr.TLSNextProto = nil
	tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return t.dial(ctx, network, addr, protocol)
	}
	return tr
}

// errOtherProtocol means that ALPN chose the other one; the attempt has the connection.
var errOtherProtocol = errors.New("ktlshttp: the server has chosen the other protocol")

// dial makes a connection, or takes the one that the request's first attempt has made.
func (t *Transport) dial(ctx context.Context, network, addr, protocol string) (net.Conn, error) {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	if c := a.take(protocol); c != nil {
		return c, nil
	}
	protos := t.config.TLS.NextProtos
	if a == nil { // a connection to an https:// proxy, which no other transport could take
		protos = []string{protocol}
	}
	c, err := t.connect(ctx, network, addr, protos)
	if err != nil {
		return nil, err
	}
	chosen := chosenBy(c)
	t.note(addr, chosen)
	if chosen != protocol {
		a.keep(c)
		return nil, errOtherProtocol
	}
	return c, nil
}

// chosenBy returns what ALPN chose. A server without ALPN speaks HTTP/1.1.
func chosenBy(c *ktls.Conn) string {
	if p := c.ConnectionState().NegotiatedProtocol; p != "" {
		return p
	}
	return "http/1.1"
}

// connect makes a connection with its handshake complete, and offers protos by ALPN.
func (t *Transport) connect(ctx context.Context, network, addr string, protos []string) (*ktls.Conn, error) {
	dial := t.base.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	config := *t.config
	config.TLS = config.TLS.Clone()
	config.TLS.NextProtos = protos
	if config.TLS.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		config.TLS.ServerName = host
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := ktls.Client(conn, &config)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// ErrProxy is the reason of the [*ktls.OffloadError] of a request that would go through a proxy, with [ktls.Require].
var ErrProxy = errors.New("the request goes through a proxy, where net/http uses crypto/tls (set Transport.Proxy to nil, or Config.Policy to ktls.Prefer)")

// RoundTrip sends a request, see http.RoundTripper. A request to a host that was not met before is tried with HTTP/2; where
// the server chooses HTTP/1.1, the connection goes over to that.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil || r.URL.Scheme != "https" { // without a URL net/http returns an error
		return t.http1.RoundTrip(r)
	}
	choice := t.proxy(r)
	switch {
	case choice.proxy != nil && t.config.Policy == ktls.Require:
		closeBody(r)
		return nil, &ktls.OffloadError{Op: "use kernel TLS", Reason: ErrProxy}
	case choice.proxy != nil || choice.err != nil: // net/http gets the same error
		resp, err := t.http1.RoundTrip(choice.keptIn(r))
		if resp != nil {
			resp.Request = r
		}
		return resp, err
	}
	first, second := t.http2, t.http1
	if t.speaks(r) == "http/1.1" {
		first, second = second, first
	}
	a := &attempt{}
	defer a.end()
	body := holdBody(r.Body)
	resp, err := a.roundTrip(first, r, body)
	if !errors.Is(err, errOtherProtocol) {
		body.release()
		return resp, err
	}
	body, err = body.again(r.GetBody)
	if err != nil {
		return nil, err
	}
	return a.roundTrip(second, r, body)
}

// closeBody closes the body of a request that is not sent, as an http.RoundTripper must.
func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// roundTrip sends the request with one transport, and fills Response.TLS: net/http does so for a *tls.Conn.
func (a *attempt) roundTrip(t *http.Transport, r *http.Request, body *heldBody) (*http.Response, error) {
	var used net.Conn
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { used = info.Conn }}
	ctx := context.WithValue(r.Context(), attemptKey{}, a)
	// No request through a proxy comes here.
	sent := proxyChoice{}.keptIn(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if body != nil {
		sent.Body = body
	}
	resp, err := t.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	resp.Request = r
	if c, ok := used.(*ktls.Conn); ok && resp.TLS == nil {
		state := c.ConnectionState()
		resp.TLS = &state
	}
	return resp, nil
}

// CloseIdleConnections closes the connections that no request uses. http.Client.CloseIdleConnections calls it.
func (t *Transport) CloseIdleConnections() {
	t.http1.CloseIdleConnections()
	t.http2.CloseIdleConnections()
}

func (t *Transport) note(addr, protocol string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.spoken) >= maxSpoken {
		clear(t.spoken)
	}
	t.spoken[addr] = protocol
}

// speaks returns what ALPN chose last for a request's host, or "".
func (t *Transport) speaks(r *http.Request) string {
	port := r.URL.Port()
	if port == "" {
		port = "443"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spoken[net.JoinHostPort(r.URL.Hostname(), port)]
}

package ktlshttp

import (
	"context"
	"net/http"
	"net/url"
)

// proxyChoice is what Transport.Proxy has answered for a request. It is asked once: with another answer to net/http's own
// call a request would get past Require.
type proxyChoice struct {
	proxy *url.URL // nil for none
	err   error
}

// proxyKey is the context's key of the proxyChoice.
type proxyKey struct{}

// proxy asks for the proxy of a request.
func (t *Transport) proxy(r *http.Request) (c proxyChoice) {
	if t.base.Proxy != nil {
		c.proxy, c.err = t.base.Proxy(r)
	}
	return c
}

// keptIn returns the request with the choice in its context.
func (c proxyChoice) keptIn(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), proxyKey{}, c))
}

// chosenProxy is the Proxy of the transport for HTTP/1.1, which asks again whenever it looks for a connection. Requests
// without TLS come there directly, with no choice made.
func chosenProxy(ask func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if c, ok := r.Context().Value(proxyKey{}).(proxyChoice); ok && r.URL.Scheme == "https" {
			return c.proxy, c.err
		}
		return ask(r)
	}
}

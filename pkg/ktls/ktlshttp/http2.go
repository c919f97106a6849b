package ktlshttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// hidden hides ConnectionState from net/http, which looks for "unencrypted" HTTP/2 only where it sees no TLS.
type hidden struct{ net.Conn }

// stateKey is the context's key of the *tls.ConnectionState.
type stateKey struct{}

// http2 returns the server that gets the connections whose ALPN chose h2, and no others.
func (s *Server) http2() *http.Server {
	s.once.Do(func() {
		srv := s.HTTP
		s.h2 = &http.Server{
			Handler: http.HandlerFunc(s.serveHTTP2), Protocols: new(http.Protocols), HTTP2: srv.HTTP2,
			ReadTimeout: srv.ReadTimeout, ReadHeaderTimeout: srv.ReadHeaderTimeout, WriteTimeout: srv.WriteTimeout,
			IdleTimeout: srv.IdleTimeout, MaxHeaderBytes: srv.MaxHeaderBytes, ErrorLog: srv.ErrorLog,
			BaseContext: srv.BaseContext, ConnContext: s.connContext, ConnState: s.connState(),
			DisableGeneralOptionsHandler: srv.DisableGeneralOptionsHandler,
		}
		s.h2.Protocols.SetUnencryptedHTTP2(true)
	})
	return s.h2
}

// connContext keeps the connection's TLS state for its requests.
func (s *Server) connContext(ctx context.Context, c net.Conn) context.Context {
	conn := c.(hidden).Conn.(*ktls.Conn)
	state := conn.ConnectionState()
	ctx = context.WithValue(ctx, stateKey{}, &state)
	if s.HTTP.ConnContext != nil {
		ctx = s.HTTP.ConnContext(ctx, conn)
	}
	return ctx
}

// connState shows the caller's hook the connection that it knows.
func (s *Server) connState() func(net.Conn, http.ConnState) {
	hook := s.HTTP.ConnState
	if hook == nil {
		return nil
	}
	return func(c net.Conn, state http.ConnState) { hook(c.(hidden).Conn, state) }
}

// serveHTTP2 gives a request what net/http left out: its TLS state and the server that the caller knows. It changes the
// request in place, because net/http removes the temporary files of the request that it has made.
func (s *Server) serveHTTP2(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithValue(r.Context(), http.ServerContextKey, s.HTTP)
	*r = *r.WithContext(ctx)
	r.TLS, _ = ctx.Value(stateKey{}).(*tls.ConnectionState)
	handler := s.HTTP.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	handler.ServeHTTP(w, r)
}

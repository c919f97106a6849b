package ktlshttp

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Server serves HTTP/1.1 and HTTP/2 over package ktls. Its methods may be called at the same time. The fields must not be
// changed after the first of them.
type Server struct {
	// HTTP has the handler, limits, hooks and protocols. It is not changed, and may serve other listeners on its own. It
	// serves HTTP/1.1 here; HTTP/2 is served by another http.Server with the same fields. Its Protocols say which of the
	// two ALPN offers; nil means both. HTTP.SetKeepAlivesEnabled has an effect on HTTP/1.1 only.
	HTTP *http.Server

	// Config is how connections are made. nil means a zero one. Where Config.TLS is nil, HTTP.TLSConfig is used. Where
	// HandshakeTimeout is not positive, the shortest of HTTP's ReadHeaderTimeout, ReadTimeout and WriteTimeout is used, or
	// 10 seconds where none is set: a Server always limits handshakes. A connection whose handshake fails is dropped, with
	// a line in HTTP.ErrorLog.
	Config *ktls.Config

	once   sync.Once
	h2     *http.Server
	ending atomic.Bool // Shutdown or Close was called
}

// ListenAndServe listens on HTTP.Addr, ":https" where that is empty, and serves. It returns as [Server.Serve] does.
func (s *Server) ListenAndServe() error {
	if s.HTTP == nil {
		return errNoHTTP
	}
	addr := s.HTTP.Addr
	if addr == "" {
		addr = ":https"
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // which has no kernel TLS
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(ln)
}

// Serve accepts TCP connections from ln, runs their TLS handshakes and serves them. It always returns an error and closes
// ln. After Shutdown or Close that is http.ErrServerClosed, and no HTTP/2 request is under way any more. With
// [ktls.Require] a listener of Multipath TCP, as net.Listen makes it, is an error at once, see [ktls.NewListener].
func (s *Server) Serve(ln net.Listener) error {
	tlsListener, err := s.listener(ln)
	if err != nil {
		_ = ln.Close()
		return err
	}
	sorted := newSorter(tlsListener, s.refusal)
	var wg sync.WaitGroup
	wg.Go(sorted.run)
	wg.Go(func() { _ = s.http2().Serve(sorted.h2) }) // until the sorter is closed
	err = s.HTTP.Serve(sorted.h1)
	_ = sorted.Close()
	if s.ending.Load() {
		err = http.ErrServerClosed // where HTTP/2 was shut down first, HTTP saw only that its listener was closed
	}
	if errors.Is(err, http.ErrServerClosed) {
		_ = s.http2().Shutdown(context.Background()) // also where only HTTP was shut down
	}
	wg.Wait()
	return err
}

var (
	errNoHTTP        = errors.New("ktlshttp: Server.HTTP is nil: set it to an http.Server with the handler")
	errNoCertificate = errors.New("ktlshttp: neither Config.TLS nor HTTP.TLSConfig has Certificates, GetCertificate or GetConfigForClient")
)

// listener makes the connections over those that ln accepts.
func (s *Server) listener(ln net.Listener) (*ktls.Listener, error) {
	if s.HTTP == nil {
		return nil, errNoHTTP
	}
	config := s.config()
	if t := config.TLS; len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return nil, errNoCertificate
	}
	return ktls.NewListener(ln, config)
}

// Shutdown ends both protocols as [http.Server.Shutdown] does: no new connections, and it waits for the requests that are
// under way, until ctx ends. HTTP.Shutdown ends both as well, but waits for HTTP/1.1 alone; Serve then waits for HTTP/2.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.HTTP == nil {
		return errNoHTTP
	}
	s.ending.Store(true)
	var h2Err error
	var wg sync.WaitGroup
	wg.Go(func() { h2Err = s.http2().Shutdown(ctx) })
	err := s.HTTP.Shutdown(ctx)
	wg.Wait()
	return errors.Join(err, h2Err)
}

// Close closes all listeners and connections of both protocols. HTTP.Close alone leaves HTTP/2 requests the time that they
// take.
func (s *Server) Close() error {
	if s.HTTP == nil {
		return errNoHTTP
	}
	s.ending.Store(true)
	return errors.Join(s.HTTP.Close(), s.http2().Close())
}

// config is the Config of a listener, which accepts connections whose handshake is complete.
func (s *Server) config() *ktls.Config {
	var c ktls.Config
	if s.Config != nil {
		c = *s.Config
	}
	if c.TLS == nil {
		c.TLS = s.HTTP.TLSConfig
	}
	if c.TLS == nil {
		c.TLS = &tls.Config{}
	}
	c.TLS = c.TLS.Clone()
	h2 := s.HTTP.TLSNextProto["h2"] != nil
	http1, http2 := protocols(s.HTTP.Protocols, s.HTTP.TLSNextProto != nil && !h2)
	c.TLS.NextProtos = offer(c.TLS.NextProtos, http1, http2)
	if c.HandshakeTimeout <= 0 { // the protocol is known only after the handshake, so the listener must run it
		c.HandshakeTimeout = handshakeTimeout(s.HTTP)
	}
	c.OnHandshakeError = s.logFailure(c.OnHandshakeError)
	return &c
}

// logFailure writes the line that net/http writes of a failed handshake, and passes the error on to the caller's hook.
func (s *Server) logFailure(hook func(*ktls.Conn, error)) func(*ktls.Conn, error) {
	return func(c *ktls.Conn, err error) {
		s.logf("http: TLS handshake error from %s: %v", c.RemoteAddr(), err)
		if hook != nil {
			hook(c, err)
		}
	}
}

// logf logs where HTTP does.
func (s *Server) logf(format string, args ...any) {
	if l := s.HTTP.ErrorLog; l != nil {
		l.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// protocols reports what a server or transport speaks over TLS. A TLSNextProto without h2 is the old way to switch HTTP/2
// off; it counts where Protocols is nil.
func protocols(set *http.Protocols, http2Off bool) (http1, http2 bool) {
	if set != nil {
		return set.HTTP1(), set.HTTP2()
	}
	return true, !http2Off
}

// offer returns the protocols for ALPN: those that the caller named, without what is off and with what is on.
func offer(named []string, http1, http2 bool) []string {
	protos := slices.DeleteFunc(slices.Clone(named), func(p string) bool { return p == "h2" && !http2 || p == "http/1.1" && !http1 })
	if http2 && !slices.Contains(protos, "h2") {
		protos = slices.Insert(protos, 0, "h2")
	}
	if http1 && !slices.Contains(protos, "http/1.1") {
		protos = append(protos, "http/1.1")
	}
	return protos
}

// defaultHandshakeTimeout is as long as http.DefaultTransport waits.
const defaultHandshakeTimeout = 10 * time.Second

func handshakeTimeout(srv *http.Server) time.Duration {
	limits := slices.DeleteFunc([]time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout}, func(d time.Duration) bool { return d <= 0 })
	if len(limits) == 0 {
		return defaultHandshakeTimeout
	}
	return slices.Min(limits)
}

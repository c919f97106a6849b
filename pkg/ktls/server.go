package ktls

import (
	"context"
	"crypto/tls"
	"net"
)

// Server returns a TLS server over conn; the handshake runs with the first Read or Write,
// or with Handshake. config is used as by [tls.Server], and connections with the same
// config resume each other's sessions.
func Server(conn net.Conn, config *tls.Config, opts ...Option) *Conn {
	if config == nil {
		config = &tls.Config{}
	}
	c := newConn(conn, opts)
	if c.options.policy != Never {
		config = c.session.serverConfig(config)
	}
	c.tls = tls.Server(c.hs, config)
	return c
}

// ServerContext is [Server] with the handshake done. On an error conn is closed.
func ServerContext(ctx context.Context, conn net.Conn, config *tls.Config, opts ...Option) (*Conn, error) {
	return shaken(ctx, Server(conn, config, opts...))
}

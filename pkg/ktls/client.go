package ktls

import (
	"context"
	"crypto/tls"
	"net"
)

// Client returns a TLS client over conn; the handshake runs with the first Read or Write,
// or with Handshake. config is used as by [tls.Client] and must set ServerName or
// InsecureSkipVerify.
func Client(conn net.Conn, config *tls.Config, opts ...Option) *Conn {
	if config == nil {
		config = &tls.Config{}
	}
	c := newConn(conn, opts)
	c.isClient = true
	c.tickets = config.ClientSessionCache != nil && !config.SessionTicketsDisabled
	if c.options.policy != Never {
		config = c.session.clientConfig(config)
	}
	c.tls = tls.Client(c.hs, config)
	return c
}

// ClientContext is [Client] with the handshake done. On an error conn is closed.
func ClientContext(ctx context.Context, conn net.Conn, config *tls.Config, opts ...Option) (*Conn, error) {
	return shaken(ctx, Client(conn, config, opts...))
}

func shaken(ctx context.Context, c *Conn) (*Conn, error) {
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

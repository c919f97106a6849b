package ktls

import (
	"crypto/tls"
	"net"
)

// Server returns a TLS server over conn. The handshake runs with the first Read or Write, or with Handshake.
// config.TLS must have a certificate or a way to get one.
func Server(conn net.Conn, config *Config) *Conn {
	c := newConn(conn, config)
	t := c.config.tls()
	if c.config.Policy != Never {
		t = c.session.serverConfig(t)
	}
	c.tls = tls.Server(c.hs, t)
	return c
}

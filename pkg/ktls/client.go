package ktls

import (
	"crypto/tls"
	"net"
)

// Client returns a TLS client over conn. The handshake runs with the first Read or Write, or with Handshake.
// config.TLS must set ServerName or InsecureSkipVerify.
func Client(conn net.Conn, config *Config) *Conn {
	c := newConn(conn, config)
	t := c.config.tls()
	c.isClient = true
	c.tickets = t.ClientSessionCache != nil && !t.SessionTicketsDisabled
	if c.config.Policy != Never {
		t = c.session.clientConfig(t)
	}
	c.tls = tls.Client(c.hs, t)
	return c
}

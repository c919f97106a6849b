package ktls

import (
	"io"
	"net"
)

// handshakeConn is the connection that crypto/tls sees. While the handshake runs it hands
// out at most the rest of one record header or body at a time: crypto/tls would otherwise
// read on and swallow the first records of application data, which the kernel must open. It
// also notes what both directions show.
type handshakeConn struct {
	net.Conn
	in, out *flight
	// after, once set, is what crypto/tls reads from and writes to: the handshake is over.
	after io.ReadWriter
}

func newHandshakeConn(conn net.Conn, secrets *sessionSecrets) *handshakeConn {
	// Records that go out once the server's application secret exists may be tickets.
	hasSecret := func() bool { return secrets.server != nil }
	never := func() bool { return false }
	return &handshakeConn{Conn: conn, in: newFlight(never), out: newFlight(hasSecret)}
}

func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.after != nil {
		return c.after.Read(p)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.in.scan.missing())])
	c.in.scan.feed(p[:n])
	return n, err
}

func (c *handshakeConn) Write(p []byte) (int, error) {
	if c.after != nil {
		return c.after.Write(p)
	}
	n, err := c.Conn.Write(p)
	c.out.scan.feed(p[:n])
	return n, err
}

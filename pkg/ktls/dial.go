package ktls

import (
	"context"
	"crypto/tls"
	"net"
)

// Dialer makes client connections. Its DialContext has the type of http.Transport's DialTLSContext, for HTTP/1.1; package
// ktlshttp has a transport for HTTP/2 as well.
type Dialer struct {
	NetDialer *net.Dialer // nil means a zero one; its Timeout and Deadline cover the handshake too
	Config    *Config     // nil means a zero one; Config.TLS.ServerName defaults to the host of the address
}

// Dial connects to addr and runs the handshake, as [tls.Dial] does.
func Dial(network, addr string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).dial(context.Background(), network, addr)
}

// DialContext connects to addr and runs the handshake; ctx bounds both. The connection is a [*Conn].
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err // not c: a nil *Conn is not a nil net.Conn
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, network, addr string) (*Conn, error) {
	var dialer net.Dialer
	if d.NetDialer != nil {
		dialer = *d.NetDialer
	}
	ctx, cancel := bounded(ctx, dialer)
	defer cancel()
	config, err := d.Config.orZero().named(addr)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return completed(ctx, Client(conn, config))
}

// completed runs the handshake of c. It returns c, or closes it where the handshake fails.
func completed(ctx context.Context, c *Conn) (*Conn, error) {
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// bounded makes the dialer's limits those of the handshake too.
func bounded(ctx context.Context, d net.Dialer) (context.Context, context.CancelFunc) {
	cancel := context.CancelFunc(func() {})
	if d.Timeout != 0 {
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
	}
	if d.Deadline.IsZero() {
		return ctx, cancel
	}
	inner, cancelInner := context.WithDeadline(ctx, d.Deadline)
	return inner, func() { cancelInner(); cancel() }
}

// named returns a Config with a server name: its own, or the host of addr.
func (c *Config) named(addr string) (*Config, error) {
	if c.TLS != nil && c.TLS.ServerName != "" {
		return c, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	named := *c
	if named.TLS == nil {
		named.TLS = &tls.Config{}
	}
	named.TLS = named.TLS.Clone()
	named.TLS.ServerName = host
	return &named, nil
}

package ktls

import (
	"context"
	"crypto/tls"
	"net"
)

// Dialer makes client connections. Its DialContext fits http.Transport's DialTLSContext.
type Dialer struct {
	NetDialer *net.Dialer // nil means a zero one; its Timeout and Deadline cover the handshake too
	Config    *tls.Config // nil means a zero one; ServerName defaults to the address's host
	Options   []Option
}

// Dial connects to addr and runs the handshake, as [tls.Dial] does.
func Dial(network, addr string, config *tls.Config, opts ...Option) (*Conn, error) {
	return DialContext(context.Background(), network, addr, config, opts...)
}

// DialContext is [Dial]; ctx bounds connecting and the handshake.
func DialContext(ctx context.Context, network, addr string, config *tls.Config, opts ...Option) (*Conn, error) {
	return (&Dialer{Config: config, Options: opts}).dial(ctx, network, addr)
}

// DialContext connects to addr and runs the handshake; ctx bounds both. The connection is a
// [*Conn].
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
	config, err := named(d.Config, addr)
	if err != nil {
		return nil, err
	}
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return ClientContext(ctx, conn, config, d.Options...)
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

// named returns config with a server name: its own, or addr's host.
func named(config *tls.Config, addr string) (*tls.Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName != "" {
		return config, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	config.ServerName = host
	return config, nil
}

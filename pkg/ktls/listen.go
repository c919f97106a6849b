package ktls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

type listener struct {
	net.Listener
	config *tls.Config
	opts   []Option
}

// NewListener returns a listener whose connections are [*Conn] servers over those that
// inner accepts. As with [tls.NewListener] the handshake is not part of Accept, except with
// [WithHandshake].
func NewListener(inner net.Listener, config *tls.Config, opts ...Option) net.Listener {
	l := &listener{inner, config, opts}
	if timeout := gather(opts).handshake; timeout > 0 {
		return newEagerListener(l, timeout)
	}
	return l
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Server(conn, l.config, l.opts...), nil
}

var errNoCertificate = errors.New("ktls: neither Certificates, GetCertificate nor GetConfigForClient is set")

// Listen announces on addr and accepts TLS connections. config must have a certificate or a
// way to get one.
func Listen(network, addr string, config *tls.Config, opts ...Option) (net.Listener, error) {
	return ListenContext(context.Background(), network, addr, config, opts...)
}

// ListenContext is [Listen]; ctx bounds the resolving of addr.
func ListenContext(ctx context.Context, network, addr string, config *tls.Config, opts ...Option) (net.Listener, error) {
	if config == nil || len(config.Certificates) == 0 && config.GetCertificate == nil && config.GetConfigForClient == nil {
		return nil, errNoCertificate
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // which Go listens for by default, and which refuses TCP_ULP
	inner, err := lc.Listen(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return NewListener(inner, config, opts...), nil
}

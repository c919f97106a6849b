package ktls

import (
	"context"
	"errors"
	"net"
)

// Listener accepts TLS connections. [Listen] and [NewListener] make it.
type Listener struct {
	inner     net.Listener // a lazyListener or an eagerListener
	config    *Config
	multipath error // why connections may stay in user space, or nil
}

// Accept waits for the next connection. It is a [*Conn], whose handshake runs later, except where the Config has a
// positive HandshakeTimeout: then its handshake is complete.
func (l *Listener) Accept() (net.Conn, error) { return l.inner.Accept() }

// Close stops listening and ends Accept. It breaks off handshakes that the listener runs and waits for them to end. It
// leaves accepted connections alone.
func (l *Listener) Close() error { return l.inner.Close() }

// Addr returns the listener's address.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Listen announces on addr and accepts TLS connections. network is "tcp", "tcp4" or "tcp6". config.TLS must have a
// certificate or a way to get one.
//
// The listener is one of plain TCP. Go's net.Listen makes listeners of Multipath TCP, see [NewListener]. Where a context
// or socket options are needed, pass the listener of a net.ListenConfig with SetMultipathTCP(false) to NewListener.
func Listen(network, addr string, config *Config) (*Listener, error) {
	if t := config.orZero().tls(); len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return nil, errNoCertificate
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	inner, err := lc.Listen(context.Background(), network, addr)
	if err != nil {
		return nil, err
	}
	return NewListener(inner, config)
}

var errNoCertificate = errors.New("ktls: Config.TLS has neither Certificates nor GetCertificate nor GetConfigForClient")

// NewListener returns a listener whose connections are [*Conn] servers over those that inner accepts. As with
// [tls.NewListener] the handshake is not part of Accept, unless the Config has a positive HandshakeTimeout: then Accept
// returns connections whose handshake is complete, and drops those whose handshake failed, see Config.OnHandshakeError.
//
// A listener of net.Listen accepts Multipath TCP (MPTCP) where the kernel has it, and an MPTCP connection cannot have
// kernel TLS: peers that speak MPTCP stay in user space. With [Require] NewListener returns an [*OffloadError] of
// [ErrMultipathTCP] for such a listener. Otherwise it goes on, [Listener.Available] returns that error, and so does the
// Offload of each connection that stays in user space for that reason. [Listen] makes no such listener, nor does a
// net.ListenConfig with SetMultipathTCP(false).
func NewListener(inner net.Listener, config *Config) (*Listener, error) {
	config = config.orZero()
	multipath := checkMultipath(inner)
	if multipath != nil && config.Policy == Require {
		return nil, multipath
	}
	l := &Listener{inner: &lazyListener{inner, config}, config: config, multipath: multipath}
	if config.HandshakeTimeout > 0 {
		l.inner = newEagerListener(l.inner)
	}
	return l, nil
}

// Available reports whether the kernel can take over all connections of this listener whose version and cipher it has.
// The error is an [*OffloadError]: [ErrPolicy] with [Never], [ErrMultipathTCP] for a listener of Multipath TCP, else what
// the function [Available] returns.
func (l *Listener) Available() error {
	switch {
	case l.config.Policy == Never:
		return reason(ErrPolicy)
	case l.multipath != nil:
		return l.multipath
	}
	return Available()
}

// lazyListener leaves the handshake to the caller of Accept.
type lazyListener struct {
	net.Listener
	config *Config
}

// Accept waits for the next connection.
func (l *lazyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Server(conn, l.config), nil
}

package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// wrapFunc makes an end of a TLS connection, without its handshake; nil is TCP.
type wrapFunc func(conn net.Conn, config *tls.Config, client bool) handshaker

type handshaker interface {
	net.Conn
	HandshakeContext(context.Context) error
	ConnectionState() tls.ConnectionState
}

func inUserSpace(conn net.Conn, config *tls.Config, client bool) handshaker {
	if client {
		return tls.Client(conn, config)
	}
	return tls.Server(conn, config)
}

func inKernel(conn net.Conn, config *tls.Config, client bool) handshaker {
	if client {
		return ktls.Client(conn, &ktls.Config{TLS: config, Policy: ktls.Require})
	}
	return ktls.Server(conn, &ktls.Config{TLS: config, Policy: ktls.Require})
}

// connection is an open connection over loopback.
type connection struct {
	sender, receiver net.Conn
	call             call
	version, cipher  string
	// most is how many bytes one datagram takes; 0 for streams.
	most int
	// proxy ends the proxy between the two, if there is one.
	proxy func()
}

func (c *connection) close() {
	c.sender.Close()
	c.receiver.Close()
	if c.proxy != nil {
		c.proxy()
	}
}

// overTCP connects over loopback and runs TLS's handshake, if wrap is not nil.
func overTCP(wrap wrapFunc) func(context.Context, uint16) (*connection, error) {
	return func(ctx context.Context, version uint16) (*connection, error) {
		client, server, err := tcpPair(ctx)
		if err != nil {
			return nil, err
		}
		c := &connection{sender: server, receiver: client}
		if wrap == nil {
			return c, nil
		}
		if err := c.shake(ctx, wrap, version); err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	}
}

// shake makes a TLS connection of one of TCP.
func (c *connection) shake(ctx context.Context, wrap wrapFunc, version uint16) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	s, r := wrap(c.sender, config, false), wrap(c.receiver, config, true)
	if err := handshakes(ctx, s, r); err != nil {
		return err
	}
	state := s.ConnectionState()
	c.sender, c.receiver = s, r
	c.version, c.cipher = tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
	return nil
}

// handshakes runs both.
func handshakes(ctx context.Context, a, b handshaker) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var errs [2]error
	for i, h := range []handshaker{a, b} {
		wg.Go(func() {
			if errs[i] = h.HandshakeContext(ctx); errs[i] != nil {
				h.Close() // so that the other end does not wait
			}
		})
	}
	wg.Wait()
	// The error that is not caused by the other end.
	for _, err := range errs {
		if _, ok := skipped(err); ok {
			return err
		}
	}
	return errors.Join(errs[:]...)
}

// tcpPair returns both ends of a connection over loopback.
func tcpPair(ctx context.Context) (client, server net.Conn, err error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // the kernel has no TLS for it
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	var d net.Dialer
	if client, err = d.DialContext(ctx, "tcp", ln.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = ln.Accept(); err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, nil
}

// certificate is a certificate for this run; nobody checks it.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
})

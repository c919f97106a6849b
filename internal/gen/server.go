package gen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// server serves clients until its context ends or it has served enough.
type server struct {
	ln     net.Listener
	s      *Scenario
	config *tls.Config
	all    *collector
	wg     sync.WaitGroup
}

func newServer(ln net.Listener, s *Scenario, all *collector) (*server, error) {
	config, err := s.serverConfig()
	return &server{ln: ln, s: s, config: config, all: all}, err
}

// serve accepts the given number of connections, or any number if that is 0, and waits
// for them. If it can accept no more, it ends the existing ones, and those that wait
// for it.
func (s *server) serve(ctx context.Context, connections int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	defer s.wg.Wait()
	for n := 0; connections == 0 || n < connections; n++ {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			cancel()
			return tooMany(err)
		}
		s.wg.Go(func() { s.handle(ctx, c) })
	}
	return nil
}

func (s *server) handle(ctx context.Context, c net.Conn) {
	r := &ConnReport{Role: "server", Local: c.LocalAddr().String(), Remote: c.RemoteAddr().String(), Sent: Tally{listing: s.s.List}}
	defer s.all.add(r)
	kc, err := s.shake(ctx, c, r)
	if err != nil {
		r.fail(ctx, err)
		return
	}
	defer kc.Close()
	stop := context.AfterFunc(ctx, func() { kc.Close() })
	defer stop()
	if err := s.answer(ctx, kc, r); ctx.Err() == nil {
		r.fail(ctx, err)
	}
}

// shake runs the handshake; with DTLS the listener has done so.
func (s *server) shake(ctx context.Context, c net.Conn, r *ConnReport) (link, error) {
	if c, ok := c.(*ktls.DTLSConn); ok {
		r.describeDTLS(c)
		return c, nil
	}
	kc := ktls.Server(c, &ktls.Config{TLS: s.config, Policy: s.s.policy()})
	if err := kc.HandshakeContext(ctx); err != nil {
		_ = kc.Close()
		return nil, err
	}
	r.describe(kc)
	return kc, nil
}

// hear reads the client's parameters.
func hear(c link) (s *Scenario, connection, n int, err error) {
	if c, ok := c.(*ktls.DTLSConn); ok {
		return readDTLSHello(c)
	}
	return readHello(c)
}

func (s *server) answer(ctx context.Context, c link, r *ConnReport) error {
	want, connection, n, err := hear(c)
	if err != nil {
		return err
	}
	r.Connection, r.Received = connection, uint64(n)
	e, err := newEnd(c, want, r, false)
	if err != nil {
		return err
	}
	defer e.close()
	for i := 1; err == nil; i++ {
		err = e.serverRound(ctx, i)
	}
	return e.ended(err)
}

func (e *end) serverRound(ctx context.Context, i int) error {
	var err error
	if e.s.ToServer {
		err = e.receiveWrite(ctx, i)
	} else {
		err = e.receive(ctx, 1)
	}
	switch {
	case err != nil:
		return err
	case !e.s.ToClient:
		return e.acknowledge()
	}
	return e.send()
}

// ended checks whether the error that ended the rounds is the requested one.
func (e *end) ended(err error) error {
	switch {
	case err == io.EOF && e.s.Fault == FaultNone:
		return e.goodbye()
	case err == io.EOF:
		return errors.New("the client ended in order, and said that it would not")
	case e.s.Fault == FaultNone:
		return err
	}
	e.report.FaultError = err.Error()
	if e.s.Fault == FaultCorrupt {
		e.report.Sent.control(raw.TypeAlert, 2) // bad_record_mac
		return nil
	}
	return e.tls.UnsafeNetConn().Close() // a close_notify would have no reader
}

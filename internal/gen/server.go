package gen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// server answers clients until its context ends.
type server struct {
	ln     net.Listener
	config *tls.Config
	policy ktls.Policy
	all    *collector
	wg     sync.WaitGroup
}

func (s *server) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	defer s.wg.Wait()
	for {
		c, err := s.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		s.wg.Go(func() { s.handle(ctx, c) })
	}
}

// drain waits for the connections that have been accepted.
func (s *server) drain() { s.wg.Wait() }

func (s *server) handle(ctx context.Context, c net.Conn) {
	r := &ConnReport{Role: "server", Local: c.LocalAddr().String(), Remote: c.RemoteAddr().String(), Op: "send"}
	defer s.all.add(r)
	kc, err := ktls.ServerContext(ctx, c, s.config, s.policy)
	if err != nil {
		r.fail(ctx, err)
		return
	}
	defer kc.Close()
	stop := context.AfterFunc(ctx, func() { kc.Close() })
	defer stop()
	r.describe(kc)
	r.fail(ctx, s.answer(kc, r))
}

func (s *server) answer(c *ktls.Conn, r *ConnReport) error {
	b := make([]byte, helloSize)
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	r.Received += helloSize
	want, err := parseHello(b)
	if err != nil {
		return err
	}
	r.Op = op(want.Sendfile && want.ToClient)
	e := &end{conn: c, s: want, report: r}
	return e.server()
}

package gen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Run makes the traffic and returns what it was. listening, if not nil, is
// told the server's address. The error is that of the first connection that
// failed; the report is complete all the same.
func Run(ctx context.Context, s Scenario, listening func(net.Addr)) (*Report, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	begin := time.Now()
	if s.Duration > 0 && s.Listen == "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Duration)
		defer cancel()
	}
	var all collector
	err := run(ctx, &s, &all, listening)
	if f := all.failed(); err == nil && f != nil {
		err = fmt.Errorf("%s %s to %s: %s", f.Role, f.Local, f.Remote, f.Error)
	}
	return &Report{Connections: all.all, DurationNS: time.Since(begin)}, err
}

func run(ctx context.Context, s *Scenario, all *collector, listening func(net.Addr)) error {
	if s.Connect != "" {
		runClients(ctx, s, s.Connect, all)
		return nil
	}
	addr := s.Listen
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	if listening != nil {
		listening(ln.Addr())
	}
	cert, err := selfSigned()
	if err != nil {
		ln.Close()
		return err
	}
	srv := &server{ln: ln, policy: policy(s), all: all, config: &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, CipherSuites: s.suites()}}
	if s.Listen != "" {
		return srv.serve(ctx)
	}
	return runBoth(ctx, s, srv)
}

// runBoth is both ends in one process: the server ends after the clients.
func runBoth(ctx context.Context, s *Scenario, srv *server) error {
	serverCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- srv.serve(serverCtx) }()
	runClients(ctx, s, srv.ln.Addr().String(), srv.all)
	srv.drain()
	stop()
	return <-done
}

func policy(s *Scenario) ktls.Policy {
	if s.Require {
		return ktls.Require
	}
	return ktls.Prefer
}

func runClients(ctx context.Context, s *Scenario, addr string, all *collector) {
	var wg sync.WaitGroup
	for range s.Connections {
		wg.Go(func() { runClient(ctx, s, addr, all) })
	}
	wg.Wait()
}

func runClient(ctx context.Context, s *Scenario, addr string, all *collector) {
	r := &ConnReport{Role: "client", Remote: addr, Op: op(s.Sendfile && s.ToServer)}
	defer all.add(r)
	c, err := ktls.DialContext(ctx, "tcp", addr, s.clientConfig(), policy(s))
	if err != nil {
		r.fail(ctx, err)
		return
	}
	defer c.Close()
	r.Local = c.LocalAddr().String()
	r.describe(c)
	e := &end{conn: c, s: s, report: r}
	r.fail(ctx, e.client(ctx))
}

func op(sendfile bool) string {
	if sendfile {
		return "sendfile"
	}
	return "send"
}

// fail notes an error, unless it is only the end of the run.
func (r *ConnReport) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	r.Error = err.Error()
}

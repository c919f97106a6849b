package gen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// Run makes the traffic and returns its report. listening, if not nil, is called with
// the server's address. The error is that of the first connection that failed; the
// report is complete all the same.
func Run(ctx context.Context, s Scenario, listening func(net.Addr)) (*Report, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := s.checkDescriptors(); err != nil {
		return nil, err
	}
	begin := time.Now()
	if s.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Duration)
		defer cancel()
	}
	var all collector
	err := run(ctx, &s, &all, listening)
	r := &Report{Seed: s.Seed, Connections: all.sorted(), DurationNS: time.Since(begin)}
	if err == nil {
		err = r.failure()
	}
	return r, err
}

// failure says how many ends of connections failed, and has the first error.
func (r *Report) failure() error {
	failed := slices.DeleteFunc(slices.Clone(r.Connections), func(c *ConnReport) bool { return c.Error == "" })
	if len(failed) == 0 {
		return nil
	}
	first := fmt.Errorf("%s: %s", failed[0].ends(), failed[0].Error)
	if len(failed) > 1 {
		return fmt.Errorf("%d of %d ends of connections failed, the first: %w", len(failed), len(r.Connections), first)
	}
	return first
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
	ln, err := s.listen(ctx, addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	srv, err := newServer(ln, s, all)
	if err != nil {
		return err
	}
	if listening != nil {
		listening(ln.Addr())
	}
	if s.Listen != "" {
		return srv.serve(ctx, s.Connections)
	}
	return runBoth(ctx, s, srv)
}

func (s *Scenario) listen(ctx context.Context, addr string) (net.Listener, error) {
	if s.DTLS {
		return s.listenDTLS(addr)
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // the kernel has no TLS for it
	return lc.Listen(ctx, "tcp", addr)
}

// runBoth runs both ends in one process: the server ends after the clients.
func runBoth(ctx context.Context, s *Scenario, srv *server) error {
	serverCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := make(chan error, 1)
	go func() { done <- srv.serve(serverCtx, 0) }()
	runClients(ctx, s, srv.ln.Addr().String(), srv.all)
	if s.DTLS { // a close_notify may be lost, and then its server waits
		defer time.AfterFunc(grace, stop).Stop()
	}
	srv.ln.Close()
	return <-done
}

func runClients(ctx context.Context, s *Scenario, addr string, all *collector) {
	var wg sync.WaitGroup
	for i := range s.Connections {
		wg.Go(func() { runClient(ctx, s, addr, i, all) })
	}
	wg.Wait()
}

func (s *Scenario) policy() ktls.Policy {
	if s.Require {
		return ktls.Require
	}
	return ktls.Prefer
}

func (s *Scenario) is12() bool { return s.Version == tls.VersionTLS12 }

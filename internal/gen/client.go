package gen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// grace is how long a connection may take to end once the run is over.
const grace = 5 * time.Second

// runClient plays one connection.
func runClient(ctx context.Context, s *Scenario, addr string, connection int, all *collector) {
	r := &ConnReport{Role: "client", Connection: connection, Remote: addr, Sent: Tally{listing: s.List}}
	defer all.add(r)
	var via *relay
	if s.Fault == FaultCorrupt {
		var err error
		if via, err = newRelay(context.WithoutCancel(ctx), addr, s.is12()); err != nil {
			r.fail(ctx, err)
			return
		}
		defer via.close()
		addr = via.addr()
	}
	r.fail(ctx, dialAndPlay(ctx, s, addr, r, via))
}

func dialAndPlay(ctx context.Context, s *Scenario, addr string, r *ConnReport, via *relay) error {
	c, err := dial(ctx, s, addr, r)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now().Add(grace + s.ReadDelay)) })
	defer stop()
	e, err := newEnd(c, s, r, true)
	if err != nil {
		return err
	}
	defer e.close()
	if err := e.play(ctx); err != nil {
		return err
	}
	return e.finish(via)
}

// dial runs the handshake. A run that ends meanwhile lets it finish: the server, which sees no end of the run, would
// report a connection that was broken off.
func dial(ctx context.Context, s *Scenario, addr string, r *ConnReport) (link, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ctx, cancel := withGrace(ctx)
	defer cancel()
	if s.DTLS {
		c, err := dialDTLS(ctx, s, addr, r)
		if err != nil {
			return nil, err // not c: a nil *DTLSConn is not a nil link
		}
		return c, nil
	}
	d := ktls.Dialer{Config: &ktls.Config{TLS: s.clientConfig(), Policy: s.policy()}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := conn.(*ktls.Conn)
	r.describe(c)
	return c, nil
}

// withGrace returns a context that ends when grace is over after the end of ctx.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return later, func() { stop(); cancel() }
}

// fail records an error, unless it is only the end of the run.
func (r *ConnReport) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	r.Error = err.Error()
}

// play sends the hello and plays the rounds. With DTLS there is at least one, also in a run that has ended: pion/dtls closes
// the server's socket when the client's close_notify comes, and the server must be ready before that.
func (e *end) play(ctx context.Context) error {
	if err := e.write(e.s.hello(e.report.Connection)); err != nil {
		return err
	}
	next := pace(ctx, e.s.Rate)
	for i := 1; (e.s.Rounds == 0 || i <= e.s.Rounds) && (next() || e.dtls && i == 1); i++ {
		if err := e.clientRound(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// clientRound: if only the server sends, the client requests each write with one byte,
// so that both play the same number of rounds.
func (e *end) clientRound(ctx context.Context, i int) error {
	turn := e.send
	if !e.s.ToServer {
		turn = e.ask
	}
	if err := turn(); err != nil {
		return err
	}
	if !e.s.ToClient {
		return e.awaitAcknowledgement()
	}
	return e.receiveWrite(ctx, i)
}

func (e *end) ask() error { return e.write([]byte{'?'}) }

// finish ends the connection, in order or with the fault.
func (e *end) finish(via *relay) error {
	switch e.s.Fault {
	case FaultCorrupt:
		return e.corrupt(via)
	case FaultReset:
		return e.reset()
	}
	if err := e.goodbye(); err != nil || e.dtls {
		return err
	}
	return e.awaitEnd()
}

// awaitEnd reads the server's close_notify.
func (e *end) awaitEnd() error {
	n, err := e.conn.Read(make([]byte, 1))
	if n == 0 && err == io.EOF {
		return nil
	}
	if err == nil {
		err = errors.New("the server sent more than it should")
	}
	return err
}

// corrupt sends one more record, which the relay damages, and reads the alert about it.
func (e *end) corrupt(via *relay) error {
	via.damage(e.report.Sent.Records)
	if err := e.data(min(e.s.Size.Min, maxRecord)); err != nil {
		return err
	}
	err := e.awaitEnd()
	if err == nil {
		return errors.New("the server took a damaged record")
	}
	e.report.FaultError = err.Error()
	return e.tls.UnsafeNetConn().Close() // without a close_notify
}

func (e *end) reset() error {
	tcp, ok := e.tls.UnsafeNetConn().(*net.TCPConn)
	if !ok {
		return fmt.Errorf("reset the connection: it is a %T", e.tls.UnsafeNetConn())
	}
	if err := tcp.SetLinger(0); err != nil {
		return err
	}
	return tcp.Close()
}

// pace returns a function that waits for the next round and reports whether there is
// one.
func pace(ctx context.Context, rate float64) func() bool {
	if rate == 0 {
		return func() bool { return ctx.Err() == nil }
	}
	due := time.Now()
	step := time.Duration(float64(time.Second) / rate)
	return func() bool {
		sleep(ctx, max(time.Until(due), 1))
		due = due.Add(step)
		return ctx.Err() == nil
	}
}

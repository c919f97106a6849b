package ktls

import (
	"context"
	"errors"
	"net"
	"sync"
)

// maxHandshakes limits the resources of silent peers: each handshake is a goroutine and a file
// until its timeout.
const maxHandshakes = 1024

// eagerListener runs the handshakes of the connections that inner accepts. Their Config bounds them.
type eagerListener struct {
	net.Listener
	start   sync.Once
	results chan acceptResult
	slots   chan struct{} // one for each handshake that runs or that nobody has accepted
	closed  context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

type acceptResult struct {
	conn net.Conn
	err  error
}

func newEagerListener(inner net.Listener) *eagerListener {
	l := &eagerListener{Listener: inner, results: make(chan acceptResult), slots: make(chan struct{}, maxHandshakes)}
	l.closed, l.stop = context.WithCancel(context.Background())
	return l
}

// Accept waits for the next connection that has finished its handshake.
func (l *eagerListener) Accept() (net.Conn, error) {
	l.start.Do(func() { l.wg.Go(l.acceptAll) })
	select {
	case r := <-l.results:
		return r.conn, r.err
	case <-l.closed.Done():
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close stops listening, aborts handshakes and waits for them to end.
func (l *eagerListener) Close() error {
	err := l.Listener.Close()
	l.stop()
	l.start.Do(func() {})
	l.wg.Wait()
	return err
}

func (l *eagerListener) acceptAll() {
	for l.acquire() {
		conn, err := l.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			l.stop()
			return
		}
		if err != nil {
			l.hand(acceptResult{err: err})
			<-l.slots
			continue
		}
		l.wg.Go(func() { l.handshake(conn.(*Conn)) })
	}
}

// acquire waits for a slot, and reports false when the listener is closed.
func (l *eagerListener) acquire() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.closed.Done():
		return false
	}
}

func (l *eagerListener) handshake(c *Conn) {
	defer func() { <-l.slots }()
	if err := c.HandshakeContext(l.closed); err != nil {
		l.report(c, err)
		_ = c.Close()
		return
	}
	l.hand(acceptResult{conn: c})
}

// report passes on why a handshake failed, unless it was because the listener is closed.
func (l *eagerListener) report(c *Conn, err error) {
	if hook := c.config.OnHandshakeError; hook != nil && l.closed.Err() == nil {
		hook(c, err)
	}
}

// hand passes a result to the next Accept, or drops it when the listener is closed.
func (l *eagerListener) hand(r acceptResult) {
	select {
	case l.results <- r:
	case <-l.closed.Done():
		if r.conn != nil {
			_ = r.conn.Close()
		}
	}
}

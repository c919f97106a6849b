package ktlshttp

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// sorter sorts a listener's connections by what their ALPN chose. Its handshakes are complete.
type sorter struct {
	*ktls.Listener
	refusal func(*ktls.Conn) []byte // what to answer a connection that may not speak HTTP/2, or nil
	h1, h2  *queue
	closed  chan struct{}
	close   func() error
}

func newSorter(ln *ktls.Listener, refusal func(*ktls.Conn) []byte) *sorter {
	s := &sorter{Listener: ln, refusal: refusal, closed: make(chan struct{})}
	s.close = sync.OnceValue(func() error { close(s.closed); return ln.Close() })
	s.h1, s.h2 = newQueue(s), newQueue(s)
	return s
}

// Close ends both queues.
func (s *sorter) Close() error { return s.close() }

// run accepts until the listener is closed.
func (s *sorter) run() {
	var refused sync.WaitGroup
	defer refused.Wait()
	for {
		conn, err := s.Accept()
		if err != nil {
			s.fail(err)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		c := conn.(*ktls.Conn)
		if answer := s.refusal(c); answer != nil {
			refused.Go(func() { s.refuse(c, answer) })
			continue
		}
		s.hand(c)
	}
}

// refuse sends a last answer. A peer that does not take it holds up neither others nor the end.
func (s *sorter) refuse(c *ktls.Conn, answer []byte) {
	_ = c.SetWriteDeadline(time.Now().Add(prefaceTimeout))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = c.Write(answer)
	}()
	select {
	case <-sent:
	case <-s.closed:
	}
	_ = c.Close() // ends the Write
	<-sent
}

// fail leaves an error to the server of HTTP/1.1, which waits after a passing one and ends at others.
func (s *sorter) fail(err error) {
	select {
	case s.h1.errs <- err:
	case <-s.closed:
	}
}

// prefaceTimeout limits how long an HTTP/2 client may take for its preface. net/http has this limit for a *tls.Conn alone.
// It clears the deadline after the preface, and sets its own where HTTP has a ReadHeaderTimeout or ReadTimeout.
const prefaceTimeout = 10 * time.Second

// hand gives a connection to the server of its protocol.
func (s *sorter) hand(c *ktls.Conn) {
	q, conn := s.h1, net.Conn(c)
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		q, conn = s.h2, hidden{c}
		_ = c.SetReadDeadline(time.Now().Add(prefaceTimeout))
	}
	select {
	case q.conns <- conn:
	case <-s.closed:
		_ = c.Close()
	}
}

// queue is the listener of one server.
type queue struct {
	*sorter
	conns chan net.Conn
	errs  chan error
}

func newQueue(s *sorter) *queue {
	return &queue{sorter: s, conns: make(chan net.Conn), errs: make(chan error)}
}

// Accept waits for the next connection of this protocol.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case err := <-q.errs:
		return nil, err
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

package ktlshttp

import (
	"io"
	"net/http"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// attempt is one request on its way through two transports: the connection that the first one made goes to the second
// where ALPN chose the other protocol.
type attempt struct {
	mu    sync.Mutex
	conn  *ktls.Conn
	ended bool
}

// attemptKey is the context's key of the *attempt. A transport dials with the values of the request's context.
type attemptKey struct{}

// keep holds a connection for the second transport. A dial can outlast its request, which has found another connection.
func (a *attempt) keep(c *ktls.Conn) {
	if a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.ended && a.conn == nil {
			a.conn = c
			return
		}
	}
	_ = c.Close()
}

// take returns the connection that is held if its ALPN chose this protocol, or nil.
func (a *attempt) take(protocol string) *ktls.Conn {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.conn
	if c == nil || chosenBy(c) != protocol {
		return nil
	}
	a.conn = nil
	return c
}

// end closes what nobody has taken.
func (a *attempt) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if a.conn != nil {
		_ = a.conn.Close()
		a.conn = nil
	}
}

// heldBody keeps a request's body open until it is clear that no second attempt needs it: a transport closes the body
// when it cannot connect.
type heldBody struct {
	io.ReadCloser
	mu     sync.Mutex
	free   bool
	closed bool // while it was held
}

// holdBody returns nil for no body.
func holdBody(body io.ReadCloser) *heldBody {
	if body == nil || body == http.NoBody {
		return nil
	}
	return &heldBody{ReadCloser: body}
}

// Close closes the body, now or when it is released.
func (b *heldBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.free {
		b.closed = true
		return nil
	}
	return b.ReadCloser.Close()
}

// release ends the holding: the attempt that has the body is the last one.
func (b *heldBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = true
	if b.closed {
		_ = b.ReadCloser.Close()
	}
}

// again returns the body for the second and last attempt: a new one of the request's GetBody where it has that, because
// net/http may have read from the first body before it connected anew.
func (b *heldBody) again(getBody func() (io.ReadCloser, error)) (*heldBody, error) {
	switch {
	case b == nil:
		return nil, nil
	case getBody == nil:
		return &heldBody{ReadCloser: b.ReadCloser, free: true}, nil
	}
	b.release()
	body, err := getBody()
	if err != nil {
		return nil, err
	}
	return &heldBody{ReadCloser: body, free: true}, nil
}

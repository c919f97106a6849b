package ktls

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a TLS connection whose records the kernel seals and opens where it can. It may be
// used as a *tls.Conn may: one reader, one writer and a Close from anywhere at the same
// time, and any number of them in turn.
type Conn struct {
	conn     net.Conn
	tls      *tls.Conn
	hs       *handshakeConn
	session  *session
	config   *Config // never nil
	isClient bool
	tickets  bool // the configuration wants them

	handshakeMu  sync.Mutex
	handshakeErr error
	complete     atomic.Bool
	layer        layer // set once, before complete
	// decided is set once it is clear who makes the records, also where Require makes the handshake fail then.
	// handshakeErr does not change any more.
	decided atomic.Bool
	reason  error // why the kernel does not, or nil; set once, before decided

	deadline atomic.Pointer[time.Time] // for writing
}

// layer carries application data once the handshake is over.
type layer interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	WriteBuffers(v *net.Buffers) (int64, error)
	CloseWrite() error
	Close() error
}

var (
	_ net.Conn     = (*Conn)(nil)
	_ syscall.Conn = (*Conn)(nil)
	_ layer        = (*kernelLayer)(nil)
	_ layer        = (*userLayer)(nil)
)

func newConn(conn net.Conn, config *Config) *Conn {
	c := &Conn{conn: conn, session: &session{}, config: config.orZero()}
	c.hs = newHandshakeConn(conn, &c.session.secrets)
	return c
}

// Read reads application data, running the handshake first if need be. The end is io.EOF
// after the peer's close_notify, and also, as with crypto/tls, when the TCP connection ends
// between two records; an end within a record is io.ErrUnexpectedEOF. A fatal alert from
// the peer is a *net.OpError with a tls.AlertError in it. Read may use all of p as scratch
// space.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	return c.layer.Read(p)
}

// Write sends application data, running the handshake first if need be. Unlike
// crypto/tls's, a connection stays usable after a write deadline; the bytes counted have
// been or will be sent.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.Handshake(); err != nil {
		return 0, err
	}
	return c.layer.Write(p)
}

// Close sends close_notify, waiting at most five seconds for room, and closes the
// connection. It ends Reads, Writes and handshakes that are under way; with a Write under
// way no close_notify is sent. A second Close returns net.ErrClosed.
func (c *Conn) Close() error {
	if !c.complete.Load() {
		return c.conn.Close()
	}
	return c.layer.Close()
}

// CloseWrite sends close_notify and ends writing. As with crypto/tls the TCP connection
// stays open both ways.
func (c *Conn) CloseWrite() error {
	if !c.complete.Load() {
		return &OffloadError{Op: "close write", Reason: ErrHandshakePending}
	}
	return c.layer.CloseWrite()
}

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline sets both deadlines; the zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	c.deadline.Store(&t)
	return c.conn.SetDeadline(t)
}

// SetReadDeadline sets the deadline for reading; the zero time means none.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline for writing; the zero time means none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(&t)
	return c.conn.SetWriteDeadline(t)
}

func (c *Conn) writeDeadline() time.Time {
	if t := c.deadline.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

// UnsafeNetConn returns the connection below, for a socket option or to close it without a
// close_notify. It is not called NetConn, as tls.Conn's method is, so that nobody finds it by
// an interface: once the kernel has the keys, what is written there goes out as application
// data, past this Conn's order and its KeyUpdates, and a read takes data away from this Conn
// or fails with EIO at a record of another type. In user space both corrupt the TLS stream.
func (c *Conn) UnsafeNetConn() net.Conn { return c.conn }

// SyscallConn returns the raw connection below, for socket options. It fails with
// [ErrNotTCP] if there is none.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	sc, ok := c.conn.(syscall.Conn)
	if !ok {
		return nil, &OffloadError{Op: "get raw connection", Reason: ErrNotTCP}
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return plainRawConn{rc}, nil
}

// plainRawConn hides from package os that the raw connection is net's own. Otherwise
// os.File's WriteTo and ReadFrom would go past TLS, straight to the socket.
type plainRawConn struct{ syscall.RawConn }

// ConnectionState returns crypto/tls's account of the connection.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// OCSPResponse returns the server's stapled OCSP response, on clients.
func (c *Conn) OCSPResponse() []byte { return c.tls.OCSPResponse() }

// VerifyHostname checks the peer's certificates against host, on clients.
func (c *Conn) VerifyHostname(host string) error { return c.tls.VerifyHostname(host) }

// Handshake runs the handshake and the handover if they have not been run.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// HandshakeContext is Handshake. When ctx ends before the handshake does, the connection is
// closed and the error is ctx's; afterwards ctx has no effect. Config.HandshakeTimeout is a
// limit too. With [Require] the error is an [*OffloadError] where the kernel cannot take
// over, and the connection is closed.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	if c.decided.Load() {
		return c.handshakeErr
	}
	c.handshakeMu.Lock()
	defer c.handshakeMu.Unlock()
	if c.complete.Load() || c.handshakeErr != nil {
		return c.handshakeErr
	}
	if timeout := c.config.HandshakeTimeout; timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		ctx = limited
	}
	if c.handshakeErr = c.tls.HandshakeContext(ctx); c.handshakeErr != nil {
		return c.handshakeErr
	}
	c.handshakeErr = c.takeOver()
	c.complete.Store(c.handshakeErr == nil)
	c.decided.Store(true)
	if c.config.OnHandover != nil {
		c.config.OnHandover(c, c.Offload())
	}
	return c.handshakeErr
}

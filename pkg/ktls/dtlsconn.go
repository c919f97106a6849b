package ktls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/pion/dtls/v3"
)

// DTLSConn is a DTLS 1.2 connection over UDP: a Write is a record and a datagram, and so is
// what a Read returns. Datagrams get lost and overtake each other; what comes is whole,
// genuine and never the same twice. It may be used as a *net.UDPConn may, by several at the
// same time.
//
// The handshake is pion/dtls's, in user space; the records after it are the kernel's where
// the module af_ktls is loaded. [DTLSConn.Offload] reports which.
type DTLSConn struct {
	udp    *net.UDPConn
	layer  dtlsLayer
	reason error // why the layer is in user space, or nil
	state  DTLSState
	onEnd  func() // of the listener, or nil
}

// DTLSState is what the handshake agreed on.
type DTLSState struct {
	Version            uint16 // 0xfefd, DTLS 1.2
	CipherSuite        uint16 // as crypto/tls numbers them
	NegotiatedProtocol string
	PeerCertificates   [][]byte // DER, the peer's own first
	PSKIdentity        []byte   // the client's, on servers
}

// dtlsLayer carries application data once the handshake is over.
type dtlsLayer interface {
	io.ReadWriteCloser
	io.ReaderFrom
	io.WriterTo
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	// payload is the longest Write in bytes.
	payload() (int, error)
	offload() Offload
}

var (
	_ net.Conn  = (*DTLSConn)(nil)
	_ dtlsLayer = (*dtlsKernel)(nil)
	_ dtlsLayer = (*dtlsUser)(nil)
)

// DTLSClient runs a client's handshake over a connected UDP socket, which it takes over, and
// closes where it fails. ctx bounds the handshake.
func DTLSClient(ctx context.Context, conn *net.UDPConn, config *DTLSConfig) (*DTLSConn, error) {
	return startDTLS(ctx, newDTLSWire(conn, conn.RemoteAddr()), config.orZero(), true, nil)
}

// DTLSServer is [DTLSClient] for servers.
func DTLSServer(ctx context.Context, conn *net.UDPConn, config *DTLSConfig) (*DTLSConn, error) {
	return startDTLS(ctx, newDTLSWire(conn, conn.RemoteAddr()), config.orZero(), false, nil)
}

var errNotConnectedUDP = errors.New("ktls: the UDP socket is not connected")

// startDTLS runs a handshake within the configuration's limit. onEnd, where it is not nil, is called by Close.
func startDTLS(ctx context.Context, w *dtlsWire, config *DTLSConfig, isClient bool, onEnd func()) (*DTLSConn, error) {
	if config.HandshakeTimeout > 0 {
		limited, cancel := context.WithTimeout(ctx, config.HandshakeTimeout)
		defer cancel()
		ctx = limited
	}
	c, err := handshakeDTLS(ctx, w, config, isClient, onEnd)
	if err != nil {
		_ = w.UDPConn.Close()
		return nil, err
	}
	return c, nil
}

func handshakeDTLS(ctx context.Context, w *dtlsWire, config *DTLSConfig, isClient bool, onEnd func()) (*DTLSConn, error) {
	if w.peer == nil {
		return nil, errNotConnectedUDP
	}
	pion, err := newPion(w, config, isClient)
	if err != nil {
		return nil, fmt.Errorf("ktls: DTLS configuration: %w", err)
	}
	if err := pion.HandshakeContext(ctx); err != nil {
		_ = pion.Close()
		return nil, handshakeError(ctx, err)
	}
	session, err := exportSession(pion)
	if err != nil {
		_ = pion.Close()
		return nil, err
	}
	defer clear(session.MasterSecret)
	c := &DTLSConn{udp: w.UDPConn, state: session.state(), onEnd: onEnd}
	return c, c.takeOver(pion, session, w, config)
}

func newPion(w *dtlsWire, config *DTLSConfig, isClient bool) (*dtls.Conn, error) {
	if isClient {
		return dtls.ClientWithOptions(w, w.peer, config.clientOptions()...)
	}
	return dtls.ServerWithOptions(w, w.peer, config.serverOptions()...)
}

// handshakeError names what ended a handshake: the context, if it was that.
func handshakeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ktls: DTLS handshake: %w", ctx.Err())
	}
	return fmt.Errorf("ktls: DTLS handshake: %w", err)
}

func (s *dtlsSession) state() DTLSState {
	state := DTLSState{Version: versionDTLS12, CipherSuite: s.CipherSuiteID,
		NegotiatedProtocol: s.NegotiatedProtocol, PeerCertificates: s.PeerCertificates}
	if !s.IsClient {
		state.PSKIdentity = s.IdentityHint
	}
	return state
}

// takeOver decides where the records are made from here on. It runs once, between the
// handshake and the first application data.
func (c *DTLSConn) takeOver(pion *dtls.Conn, s *dtlsSession, w *dtlsWire, config *DTLSConfig) error {
	k, err := intoKernelDTLS(pion, w, config)
	c.layer, c.reason = k, err
	if err != nil {
		_ = w.release(wireUser)
		c.layer = newDTLSUser(pion, w, s, config, err)
		if config.Policy == Require {
			_ = pion.Close()
		} else {
			err = nil
		}
	}
	if config.OnHandover != nil {
		config.OnHandover(c, c.Offload())
	}
	return err
}

// intoKernelDTLS gives the connection to the kernel. A failure leaves it with pion: until
// the gate is shut nothing was sealed but by pion.
func intoKernelDTLS(pion *dtls.Conn, w *dtlsWire, config *DTLSConfig) (*dtlsKernel, error) {
	if config.Policy == Never {
		return nil, reason(ErrPolicy)
	}
	if err := w.hold(); err != nil {
		return nil, &OffloadError{Op: "prepare handover", Reason: ErrNotConnected, Cause: err}
	}
	session, err := exportSession(pion) // pion may have sent since
	if err != nil {
		return nil, err
	}
	h, err := newDTLSHandover(session, w)
	if err != nil {
		return nil, err
	}
	defer h.wipe()
	attach := attachDTLS
	if config.attach != nil {
		attach = config.attach
	}
	sock, err := attach(w.UDPConn, h, config.MTU)
	if err != nil {
		return nil, err
	}
	if err := w.release(wireKernel); err != nil {
		_ = sock.Close()
		return nil, &OffloadError{Op: "prepare handover", Reason: ErrNotConnected, Cause: err}
	}
	_ = pion.Close() // its goroutines; the close_notify that it seals stays behind the gate
	return newDTLSKernel(sock, h, w, session.IsClient), nil
}

// Read returns the next record. One that is longer than p is cut, its rest is lost, and the
// error is io.ErrShortBuffer. The end is io.EOF, after the peer's close_notify; a fatal alert
// from the peer is a *net.OpError with a tls.AlertError in it.
func (c *DTLSConn) Read(p []byte) (int, error) { return c.layer.Read(p) }

// Write sends p as one record. A p longer than [DTLSConn.MaxPayload] is an error, EMSGSIZE.
func (c *DTLSConn) Write(p []byte) (int, error) { return c.layer.Write(p) }

// ReadFrom sends all of r, or as much as an io.LimitedReader allows, as records of
// [DTLSConn.MaxPayload] bytes. Where the kernel seals, a regular *os.File goes out by
// sendfile(2), and a *net.TCPConn or *net.UnixConn by splice(2). Nothing holds a sender back
// that is faster than the path or the peer: what they cannot take is lost.
func (c *DTLSConn) ReadFrom(r io.Reader) (int64, error) { return c.layer.ReadFrom(r) }

// WriteTo copies records to w until the end of the connection. Where the kernel opens them
// and w is a *net.TCPConn or *net.UnixConn, the bytes go by splice(2).
func (c *DTLSConn) WriteTo(w io.Writer) (int64, error) { return c.layer.WriteTo(w) }

// MaxPayload is the longest Write in bytes: what fits one datagram on the path as the kernel
// knows it now, or DTLSConfig.MTU, less what sealing adds; at most 16,384.
func (c *DTLSConn) MaxPayload() (int, error) { return c.layer.payload() }

// Close sends close_notify, once, and closes the connection. It ends Reads and Writes that
// are under way. A second Close returns net.ErrClosed.
func (c *DTLSConn) Close() error {
	err := c.layer.Close()
	if c.onEnd != nil {
		c.onEnd()
	}
	return err
}

// LocalAddr returns the local address.
func (c *DTLSConn) LocalAddr() net.Addr { return c.udp.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *DTLSConn) RemoteAddr() net.Addr { return c.udp.RemoteAddr() }

// SetDeadline sets both deadlines; the zero time means none.
func (c *DTLSConn) SetDeadline(t time.Time) error {
	return errors.Join(c.layer.SetReadDeadline(t), c.layer.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline for reading; the zero time means none.
func (c *DTLSConn) SetReadDeadline(t time.Time) error { return c.layer.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline for writing; the zero time means none.
func (c *DTLSConn) SetWriteDeadline(t time.Time) error { return c.layer.SetWriteDeadline(t) }

// ConnectionState returns what the handshake agreed on.
func (c *DTLSConn) ConnectionState() DTLSState { return c.state }

// Offload reports for each direction where its records are made and, if that is user space,
// why.
func (c *DTLSConn) Offload() Offload { return c.layer.offload() }

// SyscallConn returns the AF_KTLS socket, for raw.SendRecord and its options. In user space there
// is none, which is [ErrNotOffloaded].
func (c *DTLSConn) SyscallConn() (syscall.RawConn, error) {
	if k, ok := c.layer.(*dtlsKernel); ok {
		return k.sock.SyscallConn()
	}
	return nil, &OffloadError{Op: "get raw connection", Reason: ErrNotOffloaded, Cause: c.reason}
}

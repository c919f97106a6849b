package ktls

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
)

// dtlsUser carries application data in user space, by pion/dtls.
type dtlsUser struct {
	pion   *dtls.Conn
	wire   *dtlsWire
	fixed  int // DTLSConfig.MTU
	adds   int // what sealing adds, in bytes
	reason error
	closed atomic.Bool

	readMu sync.Mutex
	buf    []byte // of one record
}

// ccmOverhead is the most that another suite of pion's adds: CBC with SHA-1 pads to 16 bytes.
const otherOverhead = dtlsHeaderLen + 16 + 20 + 16

func newDTLSUser(pion *dtls.Conn, w *dtlsWire, s *dtlsSession, config *DTLSConfig, reason error) *dtlsUser {
	u := &dtlsUser{pion: pion, wire: w, fixed: config.MTU, adds: otherOverhead, reason: reason, buf: make([]byte, maxPlaintext)}
	if su, ok := dtlsSuites[s.CipherSuiteID]; ok {
		u.adds = su.overhead()
	}
	return u
}

func (u *dtlsUser) Read(p []byte) (int, error) {
	u.readMu.Lock()
	defer u.readMu.Unlock()
	for {
		n, err := u.pion.Read(u.buf)
		if err != nil {
			return 0, u.named("read", err)
		}
		if n > 0 {
			return cut(p, u.buf[:n])
		}
	}
}

// cut copies a record to a reader that may have less room.
func cut(p, record []byte) (int, error) {
	n := copy(p, record)
	if n < len(record) {
		return n, io.ErrShortBuffer
	}
	return n, nil
}

func (u *dtlsUser) Write(p []byte) (int, error) {
	most, err := u.payload()
	if err != nil {
		return 0, err
	}
	if len(p) > most {
		return 0, u.named("write", errTooLong)
	}
	n, err := u.pion.Write(p)
	return n, u.named("write", err)
}

// named gives pion's errors the form that package net's have.
func (u *dtlsUser) named(op string, err error) error {
	var timeout net.Error
	switch {
	case err == nil, err == io.EOF && !u.closed.Load():
		return err
	case u.closed.Load():
		err = net.ErrClosed
	case errors.As(err, &timeout) && timeout.Timeout():
		err = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: op, Net: "udp", Source: u.wire.LocalAddr(), Addr: u.wire.peer, Err: err}
}

// ReadFrom sends r in records.
func (u *dtlsUser) ReadFrom(r io.Reader) (int64, error) { return copyRecords(u, r) }

// copyRecords sends r in records that are full, but for the last.
func copyRecords(l dtlsLayer, r io.Reader) (int64, error) {
	most, err := l.payload()
	if err != nil {
		return 0, err
	}
	return io.CopyBuffer(onlyWriter{l}, onlyReader{r}, make([]byte, most))
}

// WriteTo copies records to w.
func (u *dtlsUser) WriteTo(w io.Writer) (int64, error) { return copyPayloads(w, u) }

// copyPayloads reads records into a buffer that has room for any.
func copyPayloads(w io.Writer, l dtlsLayer) (int64, error) {
	return io.CopyBuffer(onlyWriter{w}, onlyReader{l}, make([]byte, maxPlaintext))
}

func (u *dtlsUser) payload() (int, error) {
	datagram := u.fixed
	if datagram == 0 {
		var err error
		if datagram, err = pathDatagram(u.wire.UDPConn); err != nil {
			return 0, err
		}
	}
	return max(min(datagram-u.adds, maxPlaintext, maxPionDatagram-u.adds), 0), nil
}

// maxPionDatagram is the longest datagram that pion/dtls receives (its inboundBufferSize).
const maxPionDatagram = 8192

// Close sends close_notify and closes the socket.
func (u *dtlsUser) Close() error {
	if u.closed.Swap(true) {
		return net.ErrClosed
	}
	err := u.pion.Close()
	if errors.Is(err, net.ErrClosed) { // by pion, at the peer's close_notify
		return nil
	}
	return err
}

func (u *dtlsUser) SetReadDeadline(t time.Time) error  { return u.pion.SetReadDeadline(t) }
func (u *dtlsUser) SetWriteDeadline(t time.Time) error { return u.pion.SetWriteDeadline(t) }
func (u *dtlsUser) offload() Offload                   { return notOffloaded(u.reason) }

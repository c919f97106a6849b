package ktls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// dtlsSocket is a datagram socket whose records someone below seals and opens: AF_KTLS's,
// or a test's.
type dtlsSocket interface {
	// recv takes one record. whole is false where p was too short for it.
	recv(p []byte) (n int, typ raw.ContentType, whole bool, err error)
	// send sends one record, waiting up to the write deadline.
	send(typ raw.ContentType, p []byte) error
	// trySend sends one record if there is room for it at once.
	trySend(typ raw.ContentType, p []byte) error
	// spliceFrom sends up to n bytes of src in full records without them entering the
	// program; it sends 0 bytes of what it cannot take.
	spliceFrom(src io.Reader, n int64) (int64, error)
	// splicer moves records to dst without them entering the program. It is nil where dst
	// is no such file.
	splicer(dst io.Writer) dtlsSplicer
	// left reads a datagram that the record layer leaves to user space: handshake, another
	// epoch.
	left(p []byte) (int, error)
	payload() (int, error)
	offload() Offload
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	SyscallConn() (syscall.RawConn, error)
	Close() error // closes the UDP socket too
}

// dtlsSplicer moves records. next takes what is there, at least one; it fails with errNoSplice
// where a record must be read instead.
type dtlsSplicer interface {
	next() (int64, error)
	close()
}

// dtlsAttach hands a connected UDP socket's records over. Nothing may have been sealed where
// it fails.
type dtlsAttach func(conn *net.UDPConn, h *dtlsHandover, mtu int) (dtlsSocket, error)

var (
	errNoSplice = errors.New("ktls: cannot be spliced")
	errTooLong  = os.NewSyscallError("sendmsg", errMessageSize)
)

// dtlsKernel carries application data over a dtlsSocket.
type dtlsKernel struct {
	sock dtlsSocket
	last *lastFlight // nil where the peer's flight was the last one
	left sync.WaitGroup

	readMu  sync.Mutex
	early   []dtlsPlain
	readErr error // sticky

	closed atomic.Bool
}

func newDTLSKernel(sock dtlsSocket, h *dtlsHandover, w *dtlsWire, isClient bool) *dtlsKernel {
	k := &dtlsKernel{sock: sock, early: h.early}
	if !isClient {
		k.last = newLastFlight(&w.flight, h.finished, w.UDPConn, sock)
	}
	k.left.Go(k.readLeft)
	return k
}

// Read returns the next record's data.
func (k *dtlsKernel) Read(p []byte) (int, error) {
	k.readMu.Lock()
	defer k.readMu.Unlock()
	for {
		n, err := k.readRecord(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// readRecord takes one record, and returns 0 bytes for one without data. The caller holds
// readMu.
func (k *dtlsKernel) readRecord(p []byte) (int, error) {
	if k.readErr != nil {
		return 0, k.readErr
	}
	if len(k.early) > 0 {
		rec := k.early[0]
		k.early = k.early[1:]
		if rec.typ == raw.TypeApplicationData {
			return cut(p, rec.data)
		}
		return 0, k.control(rec.typ, rec.data)
	}
	buf := p
	if len(buf) < alertLen {
		buf = make([]byte, alertLen)
	}
	n, typ, whole, err := k.sock.recv(buf)
	switch {
	case err != nil:
		return 0, err
	case typ != raw.TypeApplicationData:
		return 0, k.control(typ, buf[:n])
	case !whole || n > len(p):
		return copy(p, buf[:n]), io.ErrShortBuffer
	}
	return copy(p, buf[:n]), nil
}

// alertLen is an alert's length in bytes.
const alertLen = 2

// control handles a record other than application data. Only an alert ends the connection: a
// datagram is easily forged, and an invalid one is dropped (RFC 6347, section 4.1.2.7).
func (k *dtlsKernel) control(typ raw.ContentType, body []byte) error {
	switch {
	case typ == raw.TypeHandshake:
		k.last.again()
	case typ != raw.TypeAlert || len(body) != alertLen:
	case tls.AlertError(body[1]) == alertCloseNotify:
		k.readErr = io.EOF
	case body[0] == levelFatal:
		k.readErr = &net.OpError{Op: "remote error", Err: tls.AlertError(body[1])}
	}
	return k.readErr
}

// Write sends p as one record.
func (k *dtlsKernel) Write(p []byte) (int, error) {
	if err := k.sock.send(raw.TypeApplicationData, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ReadFrom sends r in full records, and lets the kernel move what it can.
func (k *dtlsKernel) ReadFrom(r io.Reader) (int64, error) {
	lr, ok := r.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	n, err := k.sock.spliceFrom(lr.R, min(lr.N, spliceable(lr.R)))
	lr.N -= n
	if err != nil || lr.N == 0 {
		return n, err
	}
	rest, err := copyRecords(k, lr)
	return n + rest, err
}

// WriteTo copies records to w until the end of the connection.
func (k *dtlsKernel) WriteTo(w io.Writer) (total int64, err error) {
	k.readMu.Lock()
	defer k.readMu.Unlock()
	buf := make([]byte, maxPlaintext)
	splicer := k.sock.splicer(w)
	if splicer != nil {
		defer splicer.close()
	}
	for {
		n, err := k.writeRecord(w, splicer, buf)
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// writeRecord moves records to w: by splice(2), else through buf. The caller holds readMu.
func (k *dtlsKernel) writeRecord(w io.Writer, splicer dtlsSplicer, buf []byte) (int64, error) {
	if splicer != nil && len(k.early) == 0 && k.readErr == nil {
		n, err := splicer.next()
		if !errors.Is(err, errNoSplice) {
			return n, err
		}
	}
	n, err := k.readRecord(buf)
	if err != nil || n == 0 {
		return 0, err
	}
	m, err := w.Write(buf[:n])
	return int64(m), err
}

// Close sends close_notify by the record layer that has the key, if there is room for it at
// once: DTLS does not send an alert again (RFC 6347, section 4.2.4), so it may be lost anyway.
func (k *dtlsKernel) Close() error {
	if k.closed.Swap(true) {
		return net.ErrClosed
	}
	_ = k.sock.trySend(raw.TypeAlert, alertBytes(alertCloseNotify))
	err := k.sock.Close()
	k.left.Wait()
	return err
}

// readLeft reads the datagrams that the record layer leaves to user space, until the
// connection ends: a peer that lost our last flight sends its own again.
func (k *dtlsKernel) readLeft() {
	buf := make([]byte, maxDatagram)
	for !k.closed.Load() {
		n, err := k.sock.left(buf)
		if err != nil && !isTransient(err) {
			return
		}
		for rec, rest := cutRecord(buf[:max(n, 0)]); rec != nil; rec, rest = cutRecord(rest) {
			if rec.typ() == raw.TypeHandshake {
				k.last.again()
			}
		}
	}
}

func (k *dtlsKernel) SetReadDeadline(t time.Time) error  { return k.sock.SetReadDeadline(t) }
func (k *dtlsKernel) SetWriteDeadline(t time.Time) error { return k.sock.SetWriteDeadline(t) }
func (k *dtlsKernel) payload() (int, error)              { return k.sock.payload() }
func (k *dtlsKernel) offload() Offload                   { return k.sock.offload() }

package ktls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// kernelLayer carries application data over a recordSocket and deals with every record that
// is not application data.
type kernelLayer struct {
	sock     recordSocket
	suite    suite
	version  uint16
	isClient bool
	tickets  *ticketFeeder // nil where nobody wants tickets

	readMu   sync.Mutex
	rxSecret []byte
	pending  fragments
	useless  int   // records in a row that carried no data
	readErr  error // sticky

	writing   gate
	use       keyUse
	txSecret  []byte
	writeErr  error                      // sticky
	answerDue atomic.Bool                // a KeyUpdate that the peer asked for
	fatal     atomic.Pointer[fatalAlert] // an end that the reader decided on

	closed atomic.Bool
}

func newKernelLayer(sock recordSocket, h *handover, isClient bool) *kernelLayer {
	return &kernelLayer{
		sock: sock, suite: h.suite, version: h.version, isClient: isClient,
		rxSecret: h.rxSecret, txSecret: h.txSecret, writing: newGate(), use: newKeyUse(h.version, h.suite.cipher, h.txSeq),
	}
}

// Read returns application data, and deals with what else comes on the way. It may use all
// of p as scratch space.
func (k *kernelLayer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	k.readMu.Lock()
	defer k.readMu.Unlock()
	for {
		n, err := k.readRecord(p)
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// readRecord reads from one record, and returns 0 bytes for one without data. The caller
// holds readMu.
func (k *kernelLayer) readRecord(p []byte) (int, error) {
	if k.readErr != nil {
		return 0, k.readErr
	}
	n, typ, err := k.sock.recv(p)
	switch {
	case err != nil:
		return 0, k.recvFailed(err)
	case typ == 0 && n == 0:
		k.readErr = k.endOfStream()
		return 0, k.readErr
	case typ == raw.TypeApplicationData && n > 0 && len(k.pending.buf) == 0:
		k.useless = 0
		return n, nil
	}
	return 0, k.control(typ, p[:n])
}

// endOfStream is crypto/tls's rule: without a close_notify an end between two records is
// io.EOF, since many peers do it, and one within a record is not.
func (k *kernelLayer) endOfStream() error {
	if k.sock.truncated() {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// Write sends p as application data.
func (k *kernelLayer) Write(p []byte) (int, error) {
	k.writing.lock()
	defer k.writing.unlock()
	if err := k.ready(recordsOf(len(p), false)); err != nil {
		return 0, err
	}
	return k.sock.Write(p)
}

var errShutdown = errors.New("ktls: protocol is shutdown")

// closeTimeout bounds the wait for room for a close_notify, as in crypto/tls.
const closeTimeout = 5 * time.Second

// CloseWrite sends close_notify. Later writes fail; the TCP connection stays open.
func (k *kernelLayer) CloseWrite() error {
	k.writing.lock()
	defer k.writing.unlock()
	return k.closeNotify()
}

func (k *kernelLayer) closeNotify() error {
	if err := k.sendPending(k.sock.trySend); k.writeErr != nil {
		if k.writeErr == errShutdown {
			return nil
		}
		return err
	}
	k.writeErr = errShutdown
	_ = k.sock.SetWriteDeadline(time.Now().Add(closeTimeout))
	return k.sock.send(raw.TypeAlert, alertBytes(alertCloseNotify))
}

// Close sends close_notify and closes the connection. When a Write is under way it closes
// the connection alone, which is what ends that Write.
func (k *kernelLayer) Close() error {
	if k.closed.Swap(true) {
		return net.ErrClosed
	}
	if k.writing.tryLock() {
		_ = k.closeNotify()
		k.writing.unlock()
	}
	return k.sock.Close()
}

// recvFailed turns a failed read into what the reader gets. A record that the kernel could
// not open ends the connection; a deadline ends nothing.
func (k *kernelLayer) recvFailed(err error) error {
	var bad *recordError
	if errors.As(err, &bad) {
		return k.fail(bad.alert, err)
	}
	return err
}

// is13 reports whether TLS 1.3's rules apply, and not TLS 1.2's.
func (k *kernelLayer) is13() bool { return k.version == tls.VersionTLS13 }

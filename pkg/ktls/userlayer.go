package ktls

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// userLayer carries application data in user space, by crypto/tls. It differs from a bare
// tls.Conn in one thing: a write deadline in the middle of a record does not spoil the
// connection, as it does not when the kernel makes the records.
type userLayer struct {
	*tls.Conn
	out      *patientWriter
	deadline func() time.Time
	mu       sync.Mutex // one Write at a time
}

// Write sends p. Records that a deadline interrupts count as written, and their rest goes
// out before anything else.
func (u *userLayer) Write(p []byte) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.write(p)
}

// write is Write for a caller that holds mu.
func (u *userLayer) write(p []byte) (n int, err error) {
	if d := u.deadline(); !d.IsZero() && !time.Now().Before(d) {
		return 0, &net.OpError{Op: "write", Net: "tcp", Source: u.LocalAddr(), Addr: u.RemoteAddr(), Err: os.ErrDeadlineExceeded}
	}
	if err := u.out.flush(); err != nil {
		return 0, err
	}
	for first := true; first || len(p) > 0; first = false {
		m, err := u.Conn.Write(p[:min(len(p), maxPlaintext)])
		n, p = n+m, p[m:]
		if err == nil {
			err = u.out.stalled()
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// patientWriter is where crypto/tls writes its records. It keeps what a deadline cut off.
type patientWriter struct {
	net.Conn
	mu   sync.Mutex
	rest []byte // of records that crypto/tls holds for sent
	err  error  // the deadline's error, while there is a rest
}

func (w *patientWriter) Write(rec []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, rec...)
	if err := w.send(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, err
	}
	return len(rec), nil
}

// send writes the rest. The caller holds mu.
func (w *patientWriter) send() error {
	if len(w.rest) == 0 {
		return nil
	}
	n, err := w.Conn.Write(w.rest)
	w.rest, w.err = w.rest[n:], err
	if len(w.rest) == 0 {
		w.rest = nil
	}
	return err
}

// flush sends the rest, up to the present deadline.
func (w *patientWriter) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.send()
}

// stalled returns the deadline's error if there is a rest.
func (w *patientWriter) stalled() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

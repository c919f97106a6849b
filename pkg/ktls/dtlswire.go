package ktls

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// dtlsWire is the net.PacketConn on which pion/dtls makes the handshake: a connected UDP
// socket and a gate in front of it. The gate keeps what the handover needs, holds back
// application data until it is clear who opens it, and is what makes two counters for one
// key impossible: once it is shut, nothing that pion seals gets out.
type dtlsWire struct {
	*net.UDPConn
	peer net.Addr

	writeMu sync.Mutex // held while pion writes

	mu       sync.Mutex
	changed  *sync.Cond
	phase    wirePhase
	reading  bool      // pion reads from the socket
	kicked   bool      // the socket's read deadline is ours, to make pion let go of it
	deadline time.Time // pion's own, for reading
	closed   bool      // pion has closed it
	inbox    [][]byte  // datagrams that came another way than by the socket
	whole    []byte    // a datagram, until it is clear who has the connection: pion's buffer is too short for some
	early    []dtlsRecord
	earlyLen int // bytes of all that early has ever had
	flight   dtlsFlight
}

// wirePhase says who has the connection.
type wirePhase int

const (
	wireHandshake wirePhase = iota // pion, but application data is held back
	wireHeld                       // nobody: pion waits
	wireUser                       // pion
	wireKernel                     // the kernel: pion reads nothing, and what it writes is dropped
)

// Limits of the data that a peer can make the wire keep.
const (
	maxEarly       = 64      // records of application data before the handover
	maxEarlyLen    = 1 << 19 // bytes of them
	maxFinished    = 16      // records that may be the peer's Finished
	maxFinishedLen = 1 << 10 // bytes of one, with much to spare
	maxInbox       = 64      // datagrams
	maxDatagram    = 1 << 16 // bytes
)

func newDTLSWire(conn *net.UDPConn, peer net.Addr) *dtlsWire {
	w := &dtlsWire{UDPConn: conn, peer: peer, whole: make([]byte, maxDatagram)}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// put adds a datagram that the listener received for this connection.
func (w *dtlsWire) put(datagram []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.inbox) < maxInbox && w.phase != wireKernel {
		w.inbox = append(w.inbox, datagram)
	}
	w.kick()
}

// kick makes pion's reader look at the wire's state again. The caller holds mu.
func (w *dtlsWire) kick() {
	w.changed.Broadcast()
	if w.reading && !w.kicked {
		w.kicked = true
		_ = w.UDPConn.SetReadDeadline(time.Unix(1, 0))
	}
}

// ReadFrom returns the next datagram for pion.
func (w *dtlsWire) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, err := w.next(p)
		if n > 0 || err != nil {
			return n, w.peer, err
		}
	}
}

// next reads one datagram. It returns 0 if nothing of it is for pion.
func (w *dtlsWire) next(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.phase == wireHeld && !w.closed {
		w.changed.Wait()
	}
	switch {
	case w.closed || w.phase == wireKernel:
		return 0, net.ErrClosed
	case w.phase == wireUser && len(w.early) > 0:
		n := copy(p, w.early[0])
		w.early = w.early[1:]
		return n, nil
	case len(w.inbox) > 0:
		datagram := w.inbox[0]
		w.inbox = w.inbox[1:]
		return copy(p, w.sift(datagram)), nil
	case w.phase == wireUser:
		return w.receive(p)
	}
	whole := w.whole // which release gives up
	n, err := w.receive(whole)
	return copy(p, w.sift(whole[:n])), err
}

// receive reads from the socket, without mu meanwhile. A kick is no error.
func (w *dtlsWire) receive(p []byte) (int, error) {
	w.reading = true
	w.mu.Unlock()
	n, err := w.UDPConn.Read(p)
	w.mu.Lock()
	w.reading = false
	if w.kicked {
		w.kicked = false
		_ = w.UDPConn.SetReadDeadline(w.deadline)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	w.changed.Broadcast()
	return max(n, 0), err
}

// sift removes the records that are not for pion yet from a datagram, and records the
// others. It returns the rest, which is at the datagram's beginning. The caller holds mu.
func (w *dtlsWire) sift(datagram []byte) []byte {
	if w.phase != wireHandshake && w.phase != wireHeld {
		return datagram
	}
	left := 0
	for rest := datagram; len(rest) > 0; {
		var rec dtlsRecord
		if rec, rest = cutRecord(rest); rec == nil {
			break
		}
		if w.holdsBack(rec) {
			continue
		}
		w.flight.got(rec)
		left += copy(datagram[left:], rec)
	}
	return datagram[:left]
}

// holdsBack keeps application data, and an alert after it: the alert may end a connection
// whose beginning pion has not seen.
func (w *dtlsWire) holdsBack(rec dtlsRecord) bool {
	if rec.epoch() == 0 || rec.typ() != raw.TypeApplicationData && (rec.typ() != raw.TypeAlert || len(w.early) == 0) {
		return false
	}
	if len(w.early) < maxEarly && w.earlyLen+len(rec) <= maxEarlyLen {
		w.earlyLen += len(rec)
		w.early = append(w.early, slices.Clone(rec))
	}
	return true
}

// WriteTo sends a datagram of pion's, unless the kernel has the connection.
func (w *dtlsWire) WriteTo(p []byte, _ net.Addr) (int, error) {
	w.writeMu.Lock()
	defer w.writeMu.Unlock()
	if w.dropsWrites(p) {
		return len(p), nil
	}
	return w.UDPConn.Write(p)
}

func (w *dtlsWire) dropsWrites(p []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.phase == wireHeld && !w.closed {
		w.changed.Wait()
	}
	if w.phase == wireHandshake {
		w.flight.sent(p)
	}
	return w.phase == wireKernel
}

// hold makes pion wait: no datagram is on its way through the gate when it returns. It
// fails where pion has closed the connection.
func (w *dtlsWire) hold() error {
	w.writeMu.Lock()
	defer w.writeMu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	w.phase = wireHeld
	for w.kick(); w.reading; {
		w.changed.Wait()
	}
	return nil
}

// release gives the connection to pion or, for good, to the kernel. It fails where pion has
// closed it meanwhile.
func (w *dtlsWire) release(to wirePhase) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && to == wireKernel {
		return net.ErrClosed
	}
	w.phase, w.whole = to, nil
	if to == wireKernel {
		w.early, w.inbox, w.flight.sealed, w.flight.peer = nil, nil, nil, nil
	}
	w.kick()
	if w.closed && to == wireUser {
		return w.UDPConn.Close() // which Close has left open while the wire was held
	}
	return nil
}

// heldBack returns the application data that pion has not seen. The wire keeps it: the
// kernel may refuse the connection yet.
func (w *dtlsWire) heldBack() []dtlsRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.early
}

// SetReadDeadline is pion's way to end a read.
func (w *dtlsWire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	if w.kicked || w.phase == wireKernel {
		return nil // receive sets it, or it is no more pion's business
	}
	return w.UDPConn.SetReadDeadline(t)
}

// SetWriteDeadline is pion's way to end a write.
func (w *dtlsWire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == wireKernel {
		return nil
	}
	return w.UDPConn.SetWriteDeadline(t)
}

// Close is pion's end of the connection. Once the gate is shut, the socket belongs to the
// kernel, or to the maker of the connection.
func (w *dtlsWire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.changed.Broadcast()
	if w.phase == wireKernel || w.phase == wireHeld {
		return nil // while it is held, release decides
	}
	return w.UDPConn.Close()
}

package ktls

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// dtlsFlight is what the handover must know of the records on the wire.
type dtlsFlight struct {
	ccs      dtlsRecord   // our change_cipher_spec
	sealed   []dtlsRecord // ours under the session's key: Finished, once more for each time that it was lost
	peer     []dtlsRecord // the peer's, one of which is its Finished
	nextOpen uint64       // sequence number of our next record of epoch 0
}

// sent notes a datagram of ours.
func (f *dtlsFlight) sent(datagram []byte) {
	for rec, rest := cutRecord(datagram); rec != nil; rec, rest = cutRecord(rest) {
		switch {
		case rec.epoch() > 0 && len(f.sealed) < maxFinished:
			f.sealed = append(f.sealed, dtlsRecord(bytes.Clone(rec)))
		case rec.epoch() == 0:
			f.nextOpen = rec.number() + 1
			if rec.typ() == raw.TypeChangeCipherSpec {
				f.ccs = dtlsRecord(bytes.Clone(rec))
			}
		}
	}
}

// got notes a record of the peer's.
func (f *dtlsFlight) got(rec dtlsRecord) {
	if rec.epoch() > 0 && rec.typ() == raw.TypeHandshake && len(rec) <= maxFinishedLen && len(f.peer) < maxFinished {
		f.peer = append(f.peer, dtlsRecord(bytes.Clone(rec)))
	}
}

// lastFlight answers a peer that has lost the last flight of the handshake, which is the
// server's since there is no resumption here: it repeats its own flight until it gets ours
// (RFC 6347, section 4.2.4). The answer is change_cipher_spec, in the clear with a new number
// of epoch 0, and Finished, sealed by the record layer that has the key, with its next
// number. So no number of the session is used twice, and pion has no part in it.
type lastFlight struct {
	mu       sync.Mutex
	ccs      dtlsRecord
	next     uint64 // number of the next record of epoch 0
	finished []byte
	udp      *net.UDPConn
	sock     dtlsSocket
	sent     time.Time
}

// againEvery bounds the answers: the records that ask for them are not all authentic. A flight
// has several datagrams, and a peer's timer is a second or so.
const againEvery = 50 * time.Millisecond

func newLastFlight(f *dtlsFlight, finished []byte, udp *net.UDPConn, sock dtlsSocket) *lastFlight {
	return &lastFlight{ccs: slices.Clone(f.ccs), next: f.nextOpen, finished: finished, udp: udp, sock: sock}
}

// again sends the flight once more. An error is as good as a loss: the peer asks again.
func (l *lastFlight) again() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ccs == nil || time.Since(l.sent) < againEvery {
		return
	}
	l.sent = time.Now()
	binary.BigEndian.PutUint64(l.ccs[3:], l.next)
	l.next++
	_, _ = l.udp.Write(l.ccs)
	_ = l.sock.trySend(raw.TypeHandshake, l.finished)
}

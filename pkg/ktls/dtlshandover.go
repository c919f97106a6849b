package ktls

import (
	"bytes"
	"crypto/tls"
	"encoding/gob"
	"errors"
	"fmt"

	"github.com/pion/dtls/v3"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// dtlsHandover has everything that the kernel needs to continue where pion/dtls stopped.
type dtlsHandover struct {
	suite  suite
	tx, rx directionKeys
	// txNumber and rxNumber are epoch and sequence of the next record.
	txNumber, rxNumber uint64
	finished           []byte // our Finished message, for a peer that has lost it
	early              []dtlsPlain
}

// dtlsPlain is an opened record.
type dtlsPlain struct {
	typ  raw.ContentType
	data []byte
}

// dtlsSession is what pion/dtls says of a session by State.MarshalBinary: gob, by the names
// of its serializedState. There is no other way to the master secret.
type dtlsSession struct {
	LocalEpoch, RemoteEpoch              uint16
	LocalRandom, RemoteRandom            [32]byte
	CipherSuiteID                        uint16
	MasterSecret                         []byte
	SequenceNumber, RemoteSequenceNumber uint64 // of the next record, or one behind the newest
	LocalConnectionID                    []byte
	RemoteConnectionID                   []byte
	IsClient                             bool
	PeerCertificates                     [][]byte
	NegotiatedProtocol                   string
	IdentityHint                         []byte
}

func exportSession(conn *dtls.Conn) (*dtlsSession, error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("ktls: the handshake left no state")
	}
	b, err := state.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("ktls: export the DTLS state: %w", err)
	}
	defer clear(b)
	s := &dtlsSession{}
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(s); err != nil {
		return nil, fmt.Errorf("ktls: read the DTLS state: %w", err)
	}
	return s, nil
}

// newDTLSHandover works out keys and numbers, and proves them: both Finished messages, as
// they were on the wire, must open with them. Its errors are reasons to stay in user space.
// The wire must be held.
func newDTLSHandover(s *dtlsSession, w *dtlsWire) (*dtlsHandover, error) {
	defer clear(s.MasterSecret)
	su, ok := dtlsSuites[s.CipherSuiteID]
	switch {
	case !ok:
		return nil, reason(ErrCipher)
	case s.LocalEpoch != 1 || s.RemoteEpoch != 1:
		return nil, reason(ErrRenegotiation)
	case len(s.MasterSecret) == 0 || len(s.LocalConnectionID)+len(s.RemoteConnectionID) > 0:
		return nil, reason(ErrNoKeys)
	}
	h := &dtlsHandover{suite: su}
	h.derive(s)
	h.txNumber = numberOf(1, s.SequenceNumber)
	h.rxNumber = numberOf(1, s.RemoteSequenceNumber)
	if err := h.prove(&w.flight); err != nil {
		h.wipe()
		return nil, err
	}
	return h, h.openEarly(w)
}

// derive is RFC 5246, section 6.3, which DTLS has taken over.
func (h *dtlsHandover) derive(s *dtlsSession) {
	if s.IsClient {
		h.tx, h.rx = h.suite.keyBlock(s.MasterSecret, s.LocalRandom[:], s.RemoteRandom[:])
	} else {
		h.rx, h.tx = h.suite.keyBlock(s.MasterSecret, s.RemoteRandom[:], s.LocalRandom[:])
	}
}

// prove opens what both ends sealed so far. All of ours must open and lie below the number
// that goes to the kernel: else a number could be used twice.
func (h *dtlsHandover) prove(f *dtlsFlight) error {
	tx, err := h.suite.dtlsKey(h.tx)
	if err != nil {
		return err
	}
	for _, rec := range f.sealed {
		plain, err := tx.open(rec)
		if err != nil || rec.number() >= h.txNumber {
			return reason(ErrNoKeys)
		}
		h.finished = plain
	}
	rx, err := h.suite.dtlsKey(h.rx)
	if err != nil {
		return err
	}
	for _, rec := range f.peer {
		if _, err := rx.open(rec); err == nil && h.finished != nil && rec.number() < h.rxNumber {
			return nil
		}
	}
	return reason(ErrNoKeys)
}

// openEarly opens the application data that came before the handover, each record once.
// One that does not open is dropped, as DTLS drops it (RFC 6347, section 4.1.2.7).
func (h *dtlsHandover) openEarly(w *dtlsWire) error {
	rx, err := h.suite.dtlsKey(h.rx)
	if err != nil {
		return err
	}
	seen := map[uint64]bool{}
	for _, rec := range w.heldBack() {
		plain, err := rx.open(rec)
		if err != nil || rec.epoch() != 1 || seen[rec.number()] {
			continue
		}
		seen[rec.number()] = true
		h.rxNumber = max(h.rxNumber, rec.number()+1)
		h.early = append(h.early, dtlsPlain{rec.typ(), plain})
	}
	return nil
}

// cryptoInfo puts one direction into the kernel's terms.
func (h *dtlsHandover) cryptoInfo(dir raw.Direction) *raw.CryptoInfo {
	keys, number := h.tx, h.txNumber
	if dir == raw.RX {
		keys, number = h.rx, h.rxNumber
	}
	ci := h.suite.cryptoInfo(tls.VersionTLS12, keys, number)
	ci.Version = versionDTLS12
	return ci
}

func (h *dtlsHandover) wipe() {
	h.tx.wipe()
	h.rx.wipe()
}

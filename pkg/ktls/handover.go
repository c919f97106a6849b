package ktls

import (
	"crypto/tls"
	"encoding/binary"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// handover has everything that the kernel needs to continue where crypto/tls stopped.
type handover struct {
	suite        suite
	version      uint16
	tx, rx       directionKeys
	txSeq, rxSeq uint64
	// The TLS 1.3 traffic secrets, for KeyUpdate and for handing tickets to crypto/tls.
	txSecret, rxSecret []byte
}

func (h *handover) wipeKeys() {
	h.tx.wipe()
	h.rx.wipe()
}

func (h *handover) wipeSecrets() {
	clear(h.txSecret)
	clear(h.rxSecret)
}

// newHandover works out the keys and sequence numbers after a handshake. Its errors are
// reasons to stay in user space: nothing has happened to the socket yet.
func newHandover(state tls.ConnectionState, s *session, conn *handshakeConn, isClient bool) (*handover, error) {
	su, ok := suites[state.CipherSuite]
	switch {
	case state.Version < tls.VersionTLS12:
		return nil, reason(ErrVersion)
	case !ok:
		return nil, reason(ErrCipher)
	case s.renegotiates && state.Version == tls.VersionTLS12:
		return nil, reason(ErrRenegotiation)
	}
	h := &handover{suite: su, version: state.Version}
	if state.Version == tls.VersionTLS12 {
		return h, h.take12(s.master(state.DidResume), conn, isClient)
	}
	return h, h.take13(s.secrets, conn, isClient)
}

func reason(err error) error {
	return &OffloadError{Op: "prepare handover", Reason: err}
}

// take12 is for TLS 1.2. Both Finished messages were record 0, so both directions go on at
// 1; anything else on the wire than exactly those two records is not accounted for.
func (h *handover) take12(master []byte, conn *handshakeConn, isClient bool) error {
	clientHello, serverHello := conn.in, conn.out
	if isClient {
		clientHello, serverHello = conn.out, conn.in
	}
	if master == nil || clientHello.random() == nil || serverHello.random() == nil {
		return reason(ErrNoKeys)
	}
	for _, f := range []*flight{conn.in, conn.out} {
		if f.afterCCS != 1 || f.lastLen != h.suite.finishedLen12() {
			return reason(ErrDataBuffered)
		}
	}
	client, server := h.suite.keyBlock(master, clientHello.random(), serverHello.random())
	h.tx, h.rx = server, client
	if isClient {
		h.tx, h.rx = client, server
	}
	h.txSeq, h.rxSeq = 1, 1
	return nil
}

// finishedLen12 is the length in bytes of a record with TLS 1.2's Finished in it: header,
// explicit nonce except for ChaCha20 (RFC 7905), 16 bytes of message and 16 of tag.
func (s suite) finishedLen12() int {
	if s.cipher == raw.ChaCha20Poly1305 {
		return recordHeaderLen + 16 + 16
	}
	return recordHeaderLen + 8 + 16 + 16
}

// take13 is for TLS 1.3. Nothing has been received under the application key: crypto/tls
// reads the peer's Finished and not a byte more. What has been sent under it, a server's
// tickets, is counted on the wire.
func (h *handover) take13(secrets sessionSecrets, conn *handshakeConn, isClient bool) (err error) {
	h.txSecret, h.rxSecret = secrets.server, secrets.client
	if isClient {
		h.txSecret, h.rxSecret = secrets.client, secrets.server
	}
	if h.txSecret == nil || h.rxSecret == nil {
		return reason(ErrNoKeys)
	}
	h.txSecret, h.rxSecret = append([]byte(nil), h.txSecret...), append([]byte(nil), h.rxSecret...)
	if h.tx, err = h.suite.trafficKeys(h.txSecret); err != nil {
		return err
	}
	if h.rx, err = h.suite.trafficKeys(h.rxSecret); err != nil {
		return err
	}
	h.txSeq, err = h.suite.countSealed(h.tx, conn.out.candidate)
	return err
}

// countSealed counts the records that were sealed under k, by opening them. The others are
// under the handshake key, and none of them can open.
func (s suite) countSealed(k directionKeys, records [][]byte) (uint64, error) {
	aead, err := s.aead(k.key)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, rec := range records {
		header, body := rec[:recordHeaderLen], rec[recordHeaderLen:]
		if _, err := aead.Open(nil, nonce13(k.iv, n), body, header); err == nil {
			n++
		}
	}
	return n, nil
}

// nonce13 is the per-record nonce of RFC 8446, section 5.3.
func nonce13(iv []byte, seq uint64) []byte {
	nonce := make([]byte, len(iv))
	binary.BigEndian.PutUint64(nonce[len(iv)-8:], seq)
	for i := range nonce {
		nonce[i] ^= iv[i]
	}
	return nonce
}

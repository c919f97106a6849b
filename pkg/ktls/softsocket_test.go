package ktls

import (
	"bytes"
	"cmp"
	"crypto/cipher"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// softSocket does in the test what the kernel's record layer does, so that all that is
// above it can be tested on any machine.
type softSocket struct {
	net.Conn
	rekeys bool // like Linux 6.14 and later

	txMu sync.Mutex
	tx   *softKeys

	rx     *softKeys
	wire   []byte // of a record not read whole
	cut    bool   // the stream ended within a record
	plain  []byte // of a record not delivered whole
	typ    raw.ContentType
	noPad  bool
	zeroed bool

	payload int // the most bytes in a record; 0 is maxPlaintext
}

// softKeys is one direction.
type softKeys struct {
	aead     cipher.AEAD
	version  uint16
	explicit bool   // each record carries the second part of its nonce: TLS 1.2 with GCM
	iv       []byte // salt and IV together
	seq      uint64
}

func newSoftSocket(rekeys bool) func(net.Conn) (recordSocket, error) {
	return func(c net.Conn) (recordSocket, error) { return &softSocket{Conn: c, rekeys: rekeys}, nil }
}

func (s *softSocket) offload() Offload {
	d := DirectionState{Mode: ModeSoftware}
	return Offload{TX: d, RX: d}
}

func (s *softSocket) setZeroCopy(on bool) error { s.zeroed = on; return nil }
func (s *softSocket) setNoPad(on bool) error    { s.noPad = on; return nil }
func (s *softSocket) setMaxPayload(n int) error { s.payload = n; return nil }
func (s *softSocket) truncated() bool           { return s.cut }

func (s *softSocket) sealed() (uint64, error) {
	s.txMu.Lock()
	defer s.txMu.Unlock()
	return s.tx.seq, nil
}

func (s *softSocket) canRekey() error {
	if !s.rekeys {
		return &OffloadError{Op: "set TLS_TX", Reason: ErrRekey}
	}
	return nil
}

func (s *softSocket) setKeys(dir raw.Direction, info *raw.CryptoInfo) error {
	k, err := newSoftKeys(info)
	if err != nil {
		return err
	}
	s.txMu.Lock()
	defer s.txMu.Unlock()
	slot := &s.tx
	if dir == raw.RX {
		slot = &s.rx
	}
	if *slot != nil && s.canRekey() != nil {
		return s.canRekey()
	}
	*slot = k
	return nil
}

func newSoftKeys(info *raw.CryptoInfo) (*softKeys, error) {
	if _, err := info.MarshalBinary(); err != nil {
		return nil, err
	}
	aead, err := suite{cipher: info.Cipher}.aead(info.Key)
	explicit := info.Version == tls.VersionTLS12 && info.Cipher != raw.ChaCha20Poly1305
	return &softKeys{aead, info.Version, explicit, slices.Concat(info.Salt, info.IV), info.Seq}, err
}

// nonce returns the next record's nonce and the part of it that the record carries.
func (k *softKeys) nonce() (nonce, carried []byte) {
	if !k.explicit {
		return nonce13(k.iv, k.seq), nil
	}
	carried = binary.BigEndian.AppendUint64(nil, k.seq)
	return slices.Concat(k.iv[:4], carried), carried
}

// seal returns the next record.
func (k *softKeys) seal(typ raw.ContentType, content []byte) []byte {
	defer func() { k.seq++ }()
	nonce, carried := k.nonce()
	inner, outer := content, typ
	if k.version == tls.VersionTLS13 {
		inner, outer = append(bytes.Clone(content), byte(typ)), raw.TypeApplicationData
	}
	rec := append(recordHeader(outer, len(carried)+len(inner)+16), carried...)
	return k.aead.Seal(rec, nonce, inner, k.additional(rec[:recordHeaderLen], len(inner)))
}

// open returns a record's content.
func (k *softKeys) open(rec []byte) (raw.ContentType, []byte, error) {
	nonce, carried := k.nonce()
	if k.explicit { // the sender's choice
		nonce = slices.Concat(k.iv[:4], rec[recordHeaderLen:recordHeaderLen+len(carried)])
	}
	body := rec[recordHeaderLen+len(carried):]
	plain, err := k.aead.Open(nil, nonce, body, k.additional(rec[:recordHeaderLen], len(body)-16))
	if err != nil {
		return 0, nil, &recordError{alertBadRecordMAC, err}
	}
	k.seq++
	if k.version == tls.VersionTLS12 {
		return raw.ContentType(rec[0]), plain, nil
	}
	plain = bytes.TrimRight(plain, "\x00")
	last := len(plain) - 1
	return raw.ContentType(plain[last]), plain[:last], nil
}

func recordHeader(typ raw.ContentType, n int) []byte {
	return binary.BigEndian.AppendUint16([]byte{byte(typ), 3, 3}, uint16(n))
}

// additional is the additional data of RFC 8446, section 5.2, or RFC 5246, section 6.2.3.3.
func (k *softKeys) additional(header []byte, n int) []byte {
	if k.version == tls.VersionTLS13 {
		return header
	}
	return append(binary.BigEndian.AppendUint64(nil, k.seq), recordHeader(raw.ContentType(header[0]), n)...)
}

func (s *softSocket) send(typ raw.ContentType, p []byte) error {
	s.txMu.Lock()
	defer s.txMu.Unlock()
	_, err := s.Conn.Write(s.tx.seal(typ, p))
	return err
}

func (s *softSocket) trySend(typ raw.ContentType, p []byte) error { return s.send(typ, p) }

func (s *softSocket) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), cmp.Or(s.payload, maxPlaintext))
		if err := s.send(raw.TypeApplicationData, rest[:n]); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// writeBuffers joins the slices, as the kernel does.
func (s *softSocket) writeBuffers(v *net.Buffers) (int64, error) {
	n, err := s.Write(slices.Concat(*v...))
	consume(v, n)
	return int64(n), err
}

func (s *softSocket) ReadFrom(r io.Reader) (int64, error) { return io.Copy(onlyWriter{s}, r) }

func (s *softSocket) recv(p []byte) (int, raw.ContentType, error) {
	if len(s.plain) == 0 {
		rec, err := s.readRecord()
		if rec == nil || err != nil {
			return 0, 0, err
		}
		if s.typ, s.plain, err = s.rx.open(rec); err != nil {
			return 0, 0, err
		}
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, s.typ, nil
}

// readRecord returns nil at the end of the stream. A deadline loses nothing.
func (s *softSocket) readRecord() ([]byte, error) {
	for {
		scan := recordScanner{partial: s.wire}
		if len(s.wire) > recordHeaderLen && scan.missing() == 0 {
			rec := s.wire
			s.wire = nil
			return rec, nil
		}
		buf := make([]byte, scan.missing())
		n, err := s.Conn.Read(buf)
		s.wire = append(s.wire, buf[:n]...)
		if errors.Is(err, io.EOF) {
			s.cut = len(s.wire) > 0
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

package ktls

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

const (
	// dtlsHeaderLen is the length in bytes of a DTLS 1.2 record's header (RFC 6347, section
	// 4.1): type, version, epoch, sequence, length.
	dtlsHeaderLen = 13
	// versionDTLS12 is DTLS 1.2 on the wire and to the kernel: TLS's numbers, inverted.
	versionDTLS12 = 0xfefd
	// explicitNonceLen and tagLen are what a sealed record adds; ChaCha20-Poly1305 has no
	// explicit nonce (RFC 7905).
	explicitNonceLen = 8
	tagLen           = 16
)

// dtlsRecord is one record as it lies in a datagram, header included.
type dtlsRecord []byte

func (r dtlsRecord) typ() raw.ContentType { return raw.ContentType(r[0]) }
func (r dtlsRecord) epoch() uint16        { return binary.BigEndian.Uint16(r[3:]) }
func (r dtlsRecord) body() []byte         { return r[dtlsHeaderLen:] }

// number is the epoch (16 bits) and the sequence number (48 bits) together, as they go into
// the nonce.
func (r dtlsRecord) number() uint64 { return binary.BigEndian.Uint64(r[3:]) }

// numberOf puts an epoch and a sequence number together.
func numberOf(epoch uint16, seq uint64) uint64 { return uint64(epoch)<<48 | seq }

// cutRecord cuts the first record off a datagram. It is nil where there is no whole one.
func cutRecord(datagram []byte) (rec dtlsRecord, rest []byte) {
	if len(datagram) < dtlsHeaderLen {
		return nil, nil
	}
	end := dtlsHeaderLen + int(binary.BigEndian.Uint16(datagram[11:]))
	if len(datagram) < end {
		return nil, nil
	}
	return dtlsRecord(datagram[:end:end]), datagram[end:]
}

// overhead is what sealing adds to a plaintext, in bytes, header included.
func (s suite) overhead() int {
	if s.cipher == raw.ChaCha20Poly1305 {
		return dtlsHeaderLen + tagLen
	}
	return dtlsHeaderLen + explicitNonceLen + tagLen
}

// dtlsKey opens records of one direction. It is for the handover, which opens what it must
// be sure of, and nothing else.
type dtlsKey struct {
	aead cipher.AEAD
	iv   []byte
	// explicit: the nonce's second part stands before the ciphertext (RFC 5288).
	explicit bool
}

func (s suite) dtlsKey(k directionKeys) (*dtlsKey, error) {
	aead, err := s.aead(k.key)
	return &dtlsKey{aead, k.iv, s.cipher != raw.ChaCha20Poly1305}, err
}

var errNotARecord = errors.New("ktls: record is too short")

// open returns a record's plaintext.
func (k *dtlsKey) open(rec dtlsRecord) ([]byte, error) {
	nonce, body := k.nonce(rec.number()), rec.body()
	if k.explicit {
		if len(body) < explicitNonceLen {
			return nil, errNotARecord
		}
		copy(nonce[len(k.iv):], body)
		body = body[explicitNonceLen:]
	}
	if len(body) < tagLen {
		return nil, errNotARecord
	}
	return k.aead.Open(nil, nonce, body, additionalData(rec, len(body)-tagLen))
}

// nonce is a record's: with GCM salt and, as is usual, number, which the record carries; else
// RFC 7905's.
func (k *dtlsKey) nonce(number uint64) []byte {
	if k.explicit {
		return binary.BigEndian.AppendUint64(append([]byte(nil), k.iv...), number)
	}
	return nonce13(k.iv, number)
}

// additionalData is RFC 5246's, section 6.2.3.3, with the epoch as RFC 6347, section 4.1.2.1,
// has it: number, type, version, length of the plaintext.
func additionalData(rec dtlsRecord, n int) []byte {
	ad := append(make([]byte, 0, dtlsHeaderLen), rec[3:11]...)
	ad = append(ad, rec[:3]...)
	return binary.BigEndian.AppendUint16(ad, uint16(n))
}

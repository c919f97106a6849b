package ktls

import (
	"crypto/tls"
	"math"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// softLimit is how many records a TLS 1.3 key of AES-GCM seals before this end changes it.
// RFC 8446, section 5.5, asks for a KeyUpdate before 2^24.5 records of full size. Between the
// two limits lie 6.9 million records, 113 GB, more than one Write sends.
//
// Nothing else that the kernel and this package share has a limit to keep: the sequence
// number of ChaCha20-Poly1305 would wrap before its limit, and the limits on forged records
// do not apply, since one record that does not open ends a TLS connection.
const softLimit = 1 << 24

// minPayload is the least that TLS_TX_MAX_PAYLOAD_LEN can set for TLS 1.3, in bytes: RFC 8449's
// 64, of which the content type takes one.
const minPayload = 63

// keyUse bounds what has been sealed under the present key, without a system call for each
// write: every write counts as the most records that it can become, and the kernel is asked
// only once that reaches the limit. To ask takes some 3,400 instructions (Linux 7.3,
// BenchmarkSealed), and falls to one in 60,000 writes of full records.
type keyUse struct {
	limit int64 // records
	left  int64 // records until the next look at the kernel's sequence number
}

// newKeyUse is for a key that has sealed so many records.
func newKeyUse(version uint16, c raw.Cipher, sealed uint64) keyUse {
	if version == tls.VersionTLS13 && (c == raw.AES128GCM || c == raw.AES256GCM) {
		return keyUse{limit: softLimit, left: softLimit - int64(sealed)}
	}
	return keyUse{limit: math.MaxInt64, left: math.MaxInt64}
}

// recordsOf is the most records that n bytes become, the end of a record that an earlier
// write left open included. Bytes of splice(2) may lie in many small pieces, of which the
// kernel takes 17 for one record.
func recordsOf(n int, spliced bool) int64 {
	if spliced {
		return int64(n)
	}
	return int64(n)/minPayload + 2
}

// ready prepares for sending at most so many records: it sends what is due before them, which
// may be a change of the key. The caller holds the writing gate.
func (k *kernelLayer) ready(records int64) error {
	if err := k.settle(k.sock.send); err != nil {
		return err
	}
	if k.use.left -= records; k.use.left >= 0 {
		return nil
	}
	return k.lookAtKey(records)
}

// lookAtKey reads how many records the present key has sealed, and changes it at the limit.
// Where the kernel cannot change keys the connection goes on with the one that it has, as
// crypto/tls does, which has no limit.
func (k *kernelLayer) lookAtKey(records int64) error {
	sealed, err := k.sock.sealed()
	if err != nil { // a change of the key is never wrong
		sealed = math.MaxInt64
	}
	if sealed >= uint64(k.use.limit) {
		if k.sock.canRekey() != nil {
			k.use.left = math.MaxInt64
			return nil
		}
		if err := k.changeTX(updateNotRequested, k.sock.send); err != nil {
			return err
		}
		sealed = 0
	}
	k.use.left = k.use.limit - int64(sealed) - records
	return nil
}

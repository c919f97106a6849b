package ktls

import (
	"crypto/tls"
	"math"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// softLimit is the number of records after which this end changes a TLS 1.3 key of AES-GCM.
// RFC 8446, section 5.5, asks for a KeyUpdate before 2^24.5 records of full size. The
// difference is 6.9 million records, or 113 GB. A single Write does not send that much.
//
// ChaCha20-Poly1305 needs no limit: its sequence number would wrap first. Limits on forged
// records do not apply to TLS over TCP, because the first record that fails to open ends the
// connection.
const softLimit = 1 << 24

// minPayload is the smallest value of TLS_TX_MAX_PAYLOAD_LEN for TLS 1.3, in bytes: the 64 of
// RFC 8449 less one byte for the content type.
const minPayload = 63

// keyUse keeps an upper bound of the records sealed under the current key, without a system
// call for each write. A write counts as the maximum number of records that it can become.
// Only when this sum reaches the limit does the connection read the kernel's sequence number.
// That takes some 3,400 instructions (Linux 7.3, BenchmarkSealed) and happens once in 60,000
// writes of full records.
type keyUse struct {
	limit int64 // records
	left  int64 // records until the next check of the kernel's sequence number
}

// newKeyUse returns the use of a key that has sealed the given number of records.
func newKeyUse(version uint16, c raw.Cipher, sealed uint64) keyUse {
	if version == tls.VersionTLS13 && (c == raw.AES128GCM || c == raw.AES256GCM) {
		return keyUse{limit: softLimit, left: softLimit - int64(sealed)}
	}
	return keyUse{limit: math.MaxInt64, left: math.MaxInt64}
}

// recordsOf returns the maximum number of records that n bytes become, including the end of a
// record that an earlier write left open. Bytes from splice(2) may lie in many small pieces,
// and the kernel ends a record when it has 17 of them (MAX_SKB_FRAGS).
func recordsOf(n int, spliced bool) int64 {
	if spliced {
		return int64(n)
	}
	return int64(n)/minPayload + 2
}

// ready prepares the connection for up to the given number of records. First it sends what is
// due: an alert, the answer to a KeyUpdate, or a KeyUpdate because the key is at its limit.
// The caller holds the writing gate.
func (k *kernelLayer) ready(records int64) error {
	if err := k.sendPending(k.sock.send); err != nil {
		return err
	}
	if k.use.left -= records; k.use.left >= 0 {
		return nil
	}
	return k.checkKey(records)
}

// checkKey reads the number of records sealed under the current key, and changes the key at
// the limit. On a kernel that cannot change keys, the connection continues with the old one,
// as crypto/tls does: it has no limit.
func (k *kernelLayer) checkKey(records int64) error {
	sealed, err := k.sock.sealed()
	if err != nil { // a KeyUpdate is allowed at any time
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

package raw

import (
	"encoding/binary"
	"fmt"
)

// CryptoInfo is what the kernel needs to seal or open the records of one direction: struct
// tls12_crypto_info_* of linux/tls.h, for TLS 1.2 and 1.3 alike.
type CryptoInfo struct {
	Version uint16 // tls.VersionTLS12 or tls.VersionTLS13
	Cipher  Cipher
	// Key, Salt and IV have the lengths that [Cipher.Sizes] returns. Salt and IV together are
	// the nonce's fixed part; for TLS 1.2 with GCM or CCM the IV is the next record's
	// explicit nonce, which the kernel counts up.
	Key, Salt, IV []byte
	// Seq is the sequence number of the next record.
	Seq uint64
}

// MarshalBinary returns the struct as setsockopt(2) wants it: native-endian version and
// cipher, then IV, key, salt and the big-endian sequence number.
func (ci *CryptoInfo) MarshalBinary() ([]byte, error) {
	spec, ok := cipherSpecs[ci.Cipher]
	if !ok {
		return nil, &Error{Op: "marshal crypto info", Reason: ErrCipher}
	}
	if len(ci.Key) != spec.key || len(ci.Salt) != spec.salt || len(ci.IV) != spec.iv {
		return nil, fmt.Errorf("ktls: marshal crypto info: %s wants key, salt and IV of %d, %d and %d bytes, got %d, %d and %d",
			ci.Cipher, spec.key, spec.salt, spec.iv, len(ci.Key), len(ci.Salt), len(ci.IV))
	}
	b := make([]byte, 0, 4+spec.iv+spec.key+spec.salt+8)
	b = binary.NativeEndian.AppendUint16(b, ci.Version)
	b = binary.NativeEndian.AppendUint16(b, uint16(ci.Cipher))
	b = append(b, ci.IV...)
	b = append(b, ci.Key...)
	b = append(b, ci.Salt...)
	return binary.BigEndian.AppendUint64(b, ci.Seq), nil
}

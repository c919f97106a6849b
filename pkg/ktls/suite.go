package ktls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// suite is a cipher suite that both crypto/tls and the kernel have.
type suite struct {
	cipher raw.Cipher
	hash   func() hash.Hash
	keyLen int
	// ivLen is the length in bytes of the IV that TLS 1.2's key block holds: RFC 5288's
	// salt, or RFC 7905's whole nonce. TLS 1.3 always derives 12.
	ivLen int
}

var (
	aes128SHA256   = suite{raw.AES128GCM, sha256.New, 16, 4}
	aes256SHA384   = suite{raw.AES256GCM, sha512.New384, 32, 4}
	chacha20SHA256 = suite{raw.ChaCha20Poly1305, sha256.New, 32, 12}
)

var suites = map[uint16]suite{
	tls.TLS_AES_128_GCM_SHA256:                        aes128SHA256,
	tls.TLS_AES_256_GCM_SHA384:                        aes256SHA384,
	tls.TLS_CHACHA20_POLY1305_SHA256:                  chacha20SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:       aes128SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:         aes128SHA256,
	tls.TLS_RSA_WITH_AES_128_GCM_SHA256:               aes128SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       aes256SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         aes256SHA384,
	tls.TLS_RSA_WITH_AES_256_GCM_SHA384:               aes256SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: chacha20SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   chacha20SHA256,
}

// directionKeys are one direction's key and IV.
type directionKeys struct{ key, iv []byte }

func (k *directionKeys) wipe() {
	clear(k.key)
	clear(k.iv)
}

// cryptoInfo puts keys into the kernel's terms. It shares k's memory, but for TLS 1.2's
// explicit nonce: crypto/tls uses the sequence number there and the kernel counts on from
// it.
func (s suite) cryptoInfo(version uint16, k directionKeys, seq uint64) *raw.CryptoInfo {
	ci := &raw.CryptoInfo{Version: version, Cipher: s.cipher, Key: k.key, Seq: seq}
	switch {
	case s.cipher == raw.ChaCha20Poly1305:
		ci.IV = k.iv
	case version == tls.VersionTLS12:
		ci.Salt, ci.IV = k.iv, binary.BigEndian.AppendUint64(nil, seq)
	default:
		ci.Salt, ci.IV = k.iv[:4], k.iv[4:]
	}
	return ci
}

// aead makes the suite's AEAD for user space.
func (s suite) aead(key []byte) (cipher.AEAD, error) {
	if s.cipher == raw.ChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

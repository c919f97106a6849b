package raw

import "fmt"

// Cipher is a record protection as the kernel numbers it (TLS_CIPHER_*, linux/tls.h).
type Cipher uint16

// The kernel's ciphers. CCM and SM4 came with Linux 5.2 and 5.16, ARIA with 6.1; ARIA is
// for TLS 1.2 alone.
const (
	AES128GCM        Cipher = 51
	AES256GCM        Cipher = 52
	AES128CCM        Cipher = 53
	ChaCha20Poly1305 Cipher = 54
	SM4GCM           Cipher = 55
	SM4CCM           Cipher = 56
	ARIA128GCM       Cipher = 57
	ARIA256GCM       Cipher = 58
)

// cipherSpec holds the sizes in bytes of the fields of a tls12_crypto_info_* struct.
type cipherSpec struct {
	name          string
	iv, key, salt int
}

var cipherSpecs = map[Cipher]cipherSpec{
	AES128GCM:        {"AES-GCM-128", 8, 16, 4},
	AES256GCM:        {"AES-GCM-256", 8, 32, 4},
	AES128CCM:        {"AES-CCM-128", 8, 16, 4},
	ChaCha20Poly1305: {"CHACHA20-POLY1305", 12, 32, 0},
	SM4GCM:           {"SM4-GCM", 8, 16, 4},
	SM4CCM:           {"SM4-CCM", 8, 16, 4},
	ARIA128GCM:       {"ARIA-GCM-128", 8, 16, 4},
	ARIA256GCM:       {"ARIA-GCM-256", 8, 32, 4},
}

// String returns the kernel's name with dashes, such as "AES-GCM-128".
func (c Cipher) String() string {
	if spec, ok := cipherSpecs[c]; ok {
		return spec.name
	}
	return fmt.Sprintf("cipher_%d", uint16(c))
}

// Sizes returns the lengths in bytes of the key, the salt and the IV that a [CryptoInfo]
// for the cipher must have. ok is false for a cipher that this package does not know.
func (c Cipher) Sizes() (key, salt, iv int, ok bool) {
	spec, ok := cipherSpecs[c]
	return spec.key, spec.salt, spec.iv, ok
}

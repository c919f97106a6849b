package gen

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// ParseVersion parses 1.2 or 1.3.
func ParseVersion(s string) (uint16, error) {
	switch s {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS %s: the versions are 1.2 and 1.3", s)
}

// ParseCipher returns the suite of a cipher, 0 for none. crypto/tls lets a
// program choose for TLS 1.2 only.
func ParseCipher(s string, version uint16) (uint16, error) {
	suites := map[string]uint16{
		"":                  0,
		"aes-gcm-128":       tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"aes-gcm-256":       tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		"chacha20-poly1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	suite, ok := suites[strings.ToLower(s)]
	if !ok {
		return 0, fmt.Errorf("cipher %s: the ciphers are aes-gcm-128, aes-gcm-256 and chacha20-poly1305", s)
	}
	if suite != 0 && version != tls.VersionTLS12 {
		return 0, fmt.Errorf("cipher %s: Go chooses the cipher of TLS 1.3 itself; use TLS 1.2", s)
	}
	return suite, nil
}

func versionName(v uint16) string {
	if v == 0 {
		return ""
	}
	return strings.TrimPrefix(tls.VersionName(v), "TLS ")
}

func suiteName(id uint16) string {
	if id == 0 {
		return ""
	}
	return tls.CipherSuiteName(id)
}

package hello

import (
	"crypto/tls"
	"fmt"
	"strings"
)

// kernel has the suites that kernel TLS has a cipher for (include/uapi/linux/tls.h),
// among those that libraries hand over: AES-GCM, AES-CCM with full tags and
// ChaCha20-Poly1305, by their numbers in IANA's registry.
var kernel = map[uint16]string{
	0x1301: "AES-GCM-128", 0x1302: "AES-GCM-256", 0x1303: "CHACHA20-POLY1305", 0x1304: "AES-CCM-128",
	0x009c: "AES-GCM-128", 0x009d: "AES-GCM-256", 0x009e: "AES-GCM-128", 0x009f: "AES-GCM-256",
	0x00a2: "AES-GCM-128", 0x00a3: "AES-GCM-256", 0x00a8: "AES-GCM-128", 0x00a9: "AES-GCM-256",
	0x00aa: "AES-GCM-128", 0x00ab: "AES-GCM-256",
	0xc02b: "AES-GCM-128", 0xc02c: "AES-GCM-256", 0xc02f: "AES-GCM-128", 0xc030: "AES-GCM-256",
	0xc09c: "AES-CCM-128", 0xc09e: "AES-CCM-128", 0xc0ac: "AES-CCM-128",
	0xcca8: "CHACHA20-POLY1305", 0xcca9: "CHACHA20-POLY1305", 0xccaa: "CHACHA20-POLY1305",
	0xccab: "CHACHA20-POLY1305", 0xccac: "CHACHA20-POLY1305", 0xccad: "CHACHA20-POLY1305",
	0xc050: "ARIA-GCM-128", 0xc051: "ARIA-GCM-256", 0xc052: "ARIA-GCM-128", 0xc053: "ARIA-GCM-256",
	0xc05c: "ARIA-GCM-128", 0xc05d: "ARIA-GCM-256", 0xc060: "ARIA-GCM-128", 0xc061: "ARIA-GCM-256",
	0x00c6: "SM4-GCM", 0x00c7: "SM4-CCM",
}

// Cipher is the kernel's name of a suite's cipher, "" if kernel TLS has none.
func Cipher(suite uint16) string { return kernel[suite] }

// SuiteName is the name in IANA's registry if it is known here, else the number.
func SuiteName(suite uint16) string {
	if name, known := others[suite]; known {
		return name
	}
	if name := tls.CipherSuiteName(suite); !strings.HasPrefix(name, "0x") {
		return name
	}
	return fmt.Sprintf("suite %#04x", suite)
}

// others are suites that crypto/tls has no name for, and that servers still choose.
var others = map[uint16]string{
	0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
	0x003d: "TLS_RSA_WITH_AES_256_CBC_SHA256", 0x0067: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", 0x006b: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
	0xc024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", 0xc028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
	0x009e: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", 0x009f: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
	0x1304: "TLS_AES_128_CCM_SHA256", 0xcca8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	0xcca9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xccaa: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	0x0041: "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", 0xc072: "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256",
	0xc0ad: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", 0xc0ae: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", 0xc0af: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
	0x1305: "TLS_AES_128_CCM_8_SHA256",
}

package ktls

import (
	"crypto/tls"
	"maps"

	"github.com/pion/dtls/v3"
)

// dtlsSuites are the cipher suites that pion/dtls and the kernel have: crypto/tls's, and
// those with a pre-shared key, which crypto/tls lacks.
var dtlsSuites = withPSK(suites)

func withPSK(base map[uint16]suite) map[uint16]suite {
	all := maps.Clone(base)
	all[uint16(dtls.TLS_PSK_WITH_AES_128_GCM_SHA256)] = aes128SHA256
	all[uint16(dtls.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256)] = chacha20SHA256
	all[uint16(dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256)] = chacha20SHA256
	return all
}

// defaultDTLSSuites are those that the kernel has, in the order of preference.
var defaultDTLSSuites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// defaultPSKSuites are the same for sessions with a pre-shared key.
var defaultPSKSuites = []uint16{
	uint16(dtls.TLS_PSK_WITH_AES_128_GCM_SHA256),
	uint16(dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
	uint16(dtls.TLS_PSK_WITH_CHACHA20_POLY1305_SHA256),
}

package ktlshttp

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// http2Suites are the cipher suites of TLS 1.2 that crypto/tls has and HTTP/2 allows: with an ephemeral key exchange and an
// AEAD. RFC 9113, section 9.2.2 and appendix A, prohibits all others.
var http2Suites = []uint16{
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
}

// refusal returns the answer to a connection whose ALPN chose h2 with a version or a cipher suite that HTTP/2 prohibits, and
// logs it. It is nil for other connections. net/http refuses these too, but only where it sees their TLS state.
func (s *Server) refusal(c *ktls.Conn) []byte {
	state := c.ConnectionState()
	permitted := s.HTTP.HTTP2 != nil && s.HTTP.HTTP2.PermitProhibitedCipherSuites
	why := prohibited(state, permitted)
	if why == "" {
		return nil
	}
	s.logf("ktlshttp: HTTP/2 refused to %s: %s", c.RemoteAddr(), why)
	return goAway(why)
}

// prohibited says what HTTP/2 prohibits in the state of a connection whose ALPN chose h2, or "".
func prohibited(state tls.ConnectionState, permitSuites bool) string {
	switch {
	case state.NegotiatedProtocol != "h2":
		return ""
	case state.Version < tls.VersionTLS12: // RFC 9113, section 9.2
		return fmt.Sprintf("it prohibits %s", tls.VersionName(state.Version))
	case state.Version == tls.VersionTLS12 && !permitSuites && !slices.Contains(http2Suites, state.CipherSuite):
		return fmt.Sprintf("it prohibits the cipher suite %s", tls.CipherSuiteName(state.CipherSuite))
	}
	return ""
}

// goAway returns the two frames with which a server ends a connection that has just begun: SETTINGS, which is always the
// first, and GOAWAY with the error INADEQUATE_SECURITY (RFC 9113, sections 3.4, 6.8 and 7).
func goAway(why string) []byte {
	const typeSettings, typeGoAway, inadequateSecurity = 4, 7, 0xc
	var payload []byte
	payload = binary.BigEndian.AppendUint32(payload, 0) // no stream was served
	payload = binary.BigEndian.AppendUint32(payload, inadequateSecurity)
	payload = append(payload, why...)
	return slices.Concat(frame(typeSettings, nil), frame(typeGoAway, payload))
}

// frame returns one without flags, of the connection (RFC 9113, section 4.1).
func frame(typ byte, payload []byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:] // 24 bits
	header = append(header, typ, 0, 0, 0, 0, 0)
	return append(header, payload...)
}

package ktlshttp

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

// TestProhibited holds the list against the rule of RFC 9113, appendix A, for every suite that crypto/tls has: prohibited is
// what lacks an ephemeral key exchange or an AEAD.
func TestProhibited(t *testing.T) {
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		allowed := strings.HasPrefix(suite.Name, "TLS_ECDHE_") && (strings.Contains(suite.Name, "_GCM_") || strings.Contains(suite.Name, "_POLY1305_"))
		for version, want := range map[uint16]bool{tls.VersionTLS12: allowed, tls.VersionTLS13: true, tls.VersionTLS11: false} {
			state := tls.ConnectionState{Version: version, CipherSuite: suite.ID, NegotiatedProtocol: "h2"}
			if why := prohibited(state, false); (why == "") != want {
				t.Errorf("%s with %s: %q", tls.VersionName(version), suite.Name, why)
			}
			if why := prohibited(state, true); (why == "") != (version >= tls.VersionTLS12) {
				t.Errorf("%s with %s, permitted: %q", tls.VersionName(version), suite.Name, why)
			}
			state.NegotiatedProtocol = "http/1.1"
			if why := prohibited(state, false); why != "" {
				t.Errorf("%s with %s, HTTP/1.1: %q", tls.VersionName(version), suite.Name, why)
			}
		}
	}
}

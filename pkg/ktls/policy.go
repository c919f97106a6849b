package ktls

import "fmt"

// Policy says what to do where the kernel cannot take a connection over.
type Policy int

const (
	// Prefer uses kernel TLS where it can and user-space TLS otherwise. The bytes are the
	// same either way; [Conn.Offload] and Config.OnHandover report which it was. It is the default.
	Prefer Policy = iota
	// Require makes the handshake fail with an [*OffloadError] where Prefer would fall
	// back.
	Require
	// Never leaves every connection to crypto/tls.
	Never
)

var policyNames = [...]string{"prefer", "require", "never"}

// String returns "prefer", "require" or "never".
func (p Policy) String() string {
	if p < 0 || int(p) >= len(policyNames) {
		return fmt.Sprintf("policy(%d)", int(p))
	}
	return policyNames[p]
}

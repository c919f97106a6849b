package ktls

import (
	"crypto/tls"
	"fmt"
)

// SetMaxPayload sets TLS_TX_MAX_PAYLOAD_LEN (Linux 6.19): from now on a record carries at most
// n bytes of application data, for a peer with little memory (RFC 8449) or one that shall
// have the first bytes early, since a record opens only when all of it is there. n is
// 64 to 16384, and from 63 on for TLS 1.3. The error is an [*OffloadError], of
// [ErrKernelTooOld] where the kernel has no such option, or says that n is out of range.
func (c *Conn) SetMaxPayload(n int) error {
	k, err := c.kernel()
	if err != nil {
		return err
	}
	return setMaxPayload(k.sock, k.version, n)
}

// setMaxPayload checks n before the kernel does, whose EINVAL says nothing.
func setMaxPayload(sock recordSocket, version uint16, n int) error {
	least := minPayload + 1
	if version == tls.VersionTLS13 {
		least = minPayload
	}
	if n < least || n > maxPlaintext {
		return fmt.Errorf("ktls: set TLS_TX_MAX_PAYLOAD_LEN: %d bytes is outside %d to %d", n, least, maxPlaintext)
	}
	return sock.setMaxPayload(n)
}

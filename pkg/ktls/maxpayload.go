package ktls

import (
	"crypto/tls"
	"fmt"
)

// SetMaxPayload sets TLS_TX_MAX_PAYLOAD_LEN (Linux 6.19): from now on a record carries at most
// n bytes of application data. Short records are for a peer with little memory (RFC 8449),
// and for a peer that needs the first bytes early, because it can open a record only when it
// has all of it. n is 64 to 16384 for TLS 1.2, and 63 to 16384 for TLS 1.3.
//
// The error is an [*OffloadError]; it wraps [ErrKernelTooOld] on a kernel without this option
// and [ErrNotOffloaded] on a connection in user space. An n out of range is a plain error
// that names the range.
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

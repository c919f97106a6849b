//go:build !linux

package ktls

import (
	"errors"
	"net"
)

var errMessageSize = errors.New("message too long")

func attachDTLS(*net.UDPConn, *dtlsHandover, int) (dtlsSocket, error) { return nil, errPlatform }

// pathDatagram is the least that every path takes (RFC 8200, section 5), less IPv6's and
// UDP's headers.
func pathDatagram(*net.UDPConn) (int, error) { return 1280 - 40 - 8, nil }

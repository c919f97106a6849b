package gen

import (
	"io"
	"net"
	"syscall"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// link is what TLS's and DTLS's connections have in common here.
type link interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn // for records of other types
	Offload() ktls.Offload
}

var (
	_ link = (*ktls.Conn)(nil)
	_ link = (*ktls.DTLSConn)(nil)
)

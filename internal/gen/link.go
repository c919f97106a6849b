package gen

import (
	"io"
	"net"
	"syscall"

	"github.com/ktlstop/ktlstop/pkg/ktls"
)

// link is the common interface of TLS and DTLS connections here.
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

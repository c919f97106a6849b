package ktls

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// checkMultipath returns an error for a listener of Multipath TCP. Nothing is known of a listener without a socket.
func checkMultipath(ln net.Listener) error {
	if sock, ok := ln.(syscall.Conn); ok && isMultipath(sock) {
		return &OffloadError{Op: "listen", Reason: ErrMultipathTCP}
	}
	return nil
}

// multipathError replaces the reason of a connection that has no TCP_ULP because it is one of Multipath TCP.
func multipathError(conn *net.TCPConn, err error) error {
	if isMultipath(conn) {
		return &OffloadError{Op: "set TCP_ULP", Reason: ErrMultipathTCP, Cause: err}
	}
	return err
}

// isMultipath asks for the socket's protocol. net.TCPConn.MultipathTCP reports false where the peer speaks plain TCP,
// but a socket that was made for Multipath TCP refuses TCP_ULP then as well.
func isMultipath(sock syscall.Conn) bool {
	var protocol int
	err := kernel.Control(sock, func(fd int) (err error) {
		protocol, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
		return err
	})
	return err == nil && protocol == unix.IPPROTO_MPTCP
}

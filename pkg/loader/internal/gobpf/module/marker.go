//go:build gobpf

package module

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Marker makes the program of tcp_set_ulp run, by requesting an upper layer protocol
// that the socket cannot get.
type Marker struct {
	fd int
}

// NewMarker makes the socket of its requests.
func NewMarker() (*Marker, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	return &Marker{fd: fd}, nil
}

// Poke makes the program run. The request fails with ENOTCONN: tls accepts only
// connected sockets.
func (m *Marker) Poke() { _ = unix.SetsockoptString(m.fd, unix.SOL_TCP, unix.TCP_ULP, "tls") }

// Close closes the socket.
func (m *Marker) Close() { unix.Close(m.fd) }

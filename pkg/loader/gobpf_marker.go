//go:build gobpf

package loader

import (
	"fmt"

	"github.com/iovisor/gobpf/pkg/cpuonline"
	"golang.org/x/sys/unix"
)

// marker makes the program of tcp_set_ulp run, by asking for an upper layer
// protocol that the socket cannot get.
type marker struct {
	fd int
}

func newMarker() (*marker, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	return &marker{fd: fd}, nil
}

// poke fails with ENOTCONN: tls takes connected sockets only.
func (m *marker) poke() { _ = unix.SetsockoptString(m.fd, unix.SOL_TCP, unix.TCP_ULP, "tls") }

func (m *marker) close() { unix.Close(m.fd) }

func onlineCPUs() int {
	cpus, err := cpuonline.Get()
	if err != nil || len(cpus) == 0 {
		return 1
	}
	return len(cpus)
}

package tap

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/packet"
)

// socket is a packet socket (packet(7)) on one interface.
type socket struct {
	fd    int
	index int
}

// openSocket makes a socket in the thread's namespace. It receives nothing
// before listen.
func openSocket(d *Device) (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket(AF_PACKET)", err)
	}
	return &socket{fd, d.link.Attrs().Index}, nil
}

// send hands a frame to the interface. When it returns, all who watch have it.
func (s *socket) send(frame []byte, p *packet.Packet) error {
	to := unix.SockaddrLinklayer{Ifindex: s.index, Protocol: bigEndian(unix.ETH_P_IP)}
	if p.Src.Addr().Is6() {
		to.Protocol = bigEndian(unix.ETH_P_IPV6)
	}
	return os.NewSyscallError("sendto", unix.Sendto(s.fd, frame, 0, &to))
}

// listen receives from now on what the interface carries.
func (s *socket) listen() error {
	return os.NewSyscallError("bind(AF_PACKET)", unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: s.index, Protocol: bigEndian(unix.ETH_P_ALL)}))
}

// received takes the next frame out of the queue and reports whether there was one.
func (s *socket) received() (bool, error) {
	var b [1]byte // a filter may leave no more of it
	for {
		_, _, err := unix.Recvfrom(s.fd, b[:], 0)
		switch err {
		case nil:
			return true, nil
		case unix.EAGAIN:
			return false, nil
		case unix.EINTR:
			continue
		}
		return false, os.NewSyscallError("recvfrom(AF_PACKET)", err)
	}
}

func (s *socket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }

// bigEndian is htons(3) on the machines that ktlstop runs on.
func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

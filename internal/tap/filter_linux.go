package tap

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Filter is a socket filter: it attaches itself to a socket.
type Filter func(fd int) error

// Classic is a program of the packet filter that tcpdump compiles for.
func Classic(program []unix.SockFilter) Filter {
	return func(fd int) error {
		prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
		err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog)
		if errors.Is(err, unix.EINVAL) {
			return errors.New("the kernel refuses the packet filter: a jump, an address or an operation in it is invalid")
		}
		if err != nil {
			return fmt.Errorf("attach the socket filter: %w", err)
		}
		return nil
	}
}

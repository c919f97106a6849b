package ktls

import (
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sealed asks the kernel for TLS_TX, which has the sequence number of the next record in its
// last 8 bytes. x/sys cannot read the option: its strings end at the first zero byte.
func (s *tcpSocket) sealed() (uint64, error) {
	spec, ok := cipherSpecs[s.cipher]
	if !ok {
		return 0, &OffloadError{Op: "get TLS_TX", Reason: ErrNotOffloaded}
	}
	info := make([]byte, 4+spec.iv+spec.key+spec.salt+8) // struct tls12_crypto_info_*
	defer clear(info)                                    // the key is in it
	length := uint32(len(info))
	err := control(s.TCPConn, func(fd int) error {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TLS, uintptr(TX),
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&length)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		return 0, &OffloadError{Op: "get TLS_TX", Reason: ErrRefused, Cause: os.NewSyscallError("getsockopt", err)}
	}
	return binary.BigEndian.Uint64(info[len(info)-8:]), nil
}

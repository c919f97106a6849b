package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Info fills info with one direction's struct tls12_crypto_info_*, which must have the length of the cipher's. Its last 8
// bytes are the sequence number of the next record. x/sys cannot read the option: its strings end at the first zero byte.
func Info(conn syscall.Conn, dir int, info []byte) error {
	length := uint32(len(info))
	return Control(conn, func(fd int) error {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TLS, uintptr(dir),
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&length)), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

package ktls

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Available reports whether the kernel has TLS, by asking it: an unconnected socket is
// refused with ENOTCONN where the tls module is there and with ENOENT where it is not. With
// CAP_NET_ADMIN the kernel tries to load the module first. The error is an [*OffloadError],
// of [ErrModuleMissing] where the module is missing.
func Available() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return &OffloadError{Op: "probe TCP_ULP", Reason: ErrRefused, Cause: os.NewSyscallError("socket", err)}
	}
	defer unix.Close(fd)
	err = unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	if err == nil || errors.Is(err, unix.ENOTCONN) {
		return nil
	}
	return &OffloadError{Op: "probe TCP_ULP", Reason: ulpReason(err), Cause: os.NewSyscallError("setsockopt", err)}
}

package raw

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// Available reports whether the kernel has TLS, by asking it: an unconnected socket is
// refused with ENOTCONN where the tls module is there and with ENOENT where it is not. With
// CAP_NET_ADMIN the kernel tries to load the module first. The error is an [*Error], of
// [ErrModuleMissing] where the module is missing.
func Available() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return &Error{Op: "probe TCP_ULP", Reason: ErrRefused, Cause: os.NewSyscallError("socket", err)}
	}
	defer unix.Close(fd)
	err = unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	if err == nil || errors.Is(err, unix.ENOTCONN) {
		return nil
	}
	return &Error{Op: "probe TCP_ULP", Reason: ulpReason(err), Cause: os.NewSyscallError("setsockopt", err)}
}

// FamilyAvailable reports whether the kernel has AF_KTLS, by opening a socket of it. The
// error is an [*Error], of [ErrFamilyMissing] where the module is missing.
func FamilyAvailable() error {
	fd, err := openFamily(unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// openFamily makes an AF_KTLS socket. socket(2) loads the module where it is installed.
func openFamily(kind int) (int, error) {
	fd, err := unix.Socket(kernel.FamilyKTLS, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		return fd, nil
	}
	reason := ErrRefused
	if errors.Is(err, unix.EAFNOSUPPORT) {
		reason = ErrFamilyMissing
	}
	return -1, &Error{Op: "open AF_KTLS", Reason: reason, Cause: os.NewSyscallError("socket", err)}
}

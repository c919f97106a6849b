package raw

import (
	"errors"
	"fmt"
)

// Why the kernel does not take a socket over. [errors.Is] finds them in the errors of this package's functions.
var (
	// ErrPlatform: the operating system is not Linux.
	ErrPlatform = errors.New("kernel TLS needs Linux")
	// ErrNotTCP: the socket is not one of TCP, or is one of Multipath TCP.
	ErrNotTCP = errors.New("connection is not plain TCP")
	// ErrNotConnected: the connection is not established.
	ErrNotConnected = errors.New("connection is not established")
	// ErrModuleMissing: the kernel has no tls module, or may not load it.
	ErrModuleMissing = errors.New("kernel module tls is missing (modprobe tls)")
	// ErrFamilyMissing: the kernel has no AF_KTLS, which DTLS needs. The module is kmod/af_ktls of this package's
	// repository.
	ErrFamilyMissing = errors.New("kernel module af_ktls is missing (modprobe af_ktls)")
	// ErrCipher: the kernel, or this package, lacks the cipher.
	ErrCipher = errors.New("cipher is not supported by the kernel")
	// ErrInUse: the socket already has another upper layer protocol, or keys.
	ErrInUse = errors.New("socket already has an upper layer protocol or keys")
	// ErrNotEnabled: kernel TLS is not enabled on the socket. Package ktls calls the same error ErrNotOffloaded.
	ErrNotEnabled = errors.New("kernel TLS is not enabled")
	// ErrRekey: the kernel cannot change the keys of a socket. It can from 6.14, for TLS 1.3 only.
	ErrRekey = errors.New("kernel cannot change keys (needs Linux 6.14)")
	// ErrRefused: the kernel refused for a reason that only the cause names.
	ErrRefused = errors.New("kernel refused")
)

// Error says which step towards kernel TLS failed and why.
type Error struct {
	Op     string // what was tried, such as "set TLS_TX"
	Reason error  // an Err value of this package, of package ktls or of package ktlshttp
	Cause  error  // the system call's error, or nil
}

// Error returns the step, the reason and the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("ktls: %s: %v", e.Op, e.Reason)
	}
	return fmt.Sprintf("ktls: %s: %v: %v", e.Op, e.Reason, e.Cause)
}

// Unwrap returns the reason and, if there is one, the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

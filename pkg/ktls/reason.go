package ktls

import (
	"errors"
	"fmt"
)

// Why a direction is not in the kernel. [errors.Is] finds them in the reasons of
// [Conn.Offload] and in the errors of [Require], [EnableRaw], [SetKeys] and [Available].
var (
	// ErrPolicy: the policy is Never.
	ErrPolicy = errors.New("policy is never")
	// ErrHandshakePending: the handshake is not over.
	ErrHandshakePending = errors.New("handshake is not complete")
	// ErrPlatform: the operating system is not Linux.
	ErrPlatform = errors.New("kernel TLS needs Linux")
	// ErrNotTCP: the connection is not a *net.TCPConn.
	ErrNotTCP = errors.New("connection is not plain TCP")
	// ErrMultipathTCP: the connection or listener is one of Multipath TCP, which Go's net.Listen makes. See
	// [NewListener].
	ErrMultipathTCP = errors.New("the socket is one of Multipath TCP, which has no kernel TLS (use ktls.Listen, or net.ListenConfig.SetMultipathTCP(false))")
	// ErrNotConnected: the TCP connection is not established.
	ErrNotConnected = errors.New("connection is not established")
	// ErrModuleMissing: the kernel has no tls module, or may not load it.
	ErrModuleMissing = errors.New("kernel module tls is missing (modprobe tls)")
	// ErrFamilyMissing: the kernel has no AF_KTLS, which DTLS needs. The module is this
	// project's own, in kmod/af_ktls.
	ErrFamilyMissing = errors.New("kernel module af_ktls is missing (modprobe af_ktls)")
	// ErrKernelTooOld: the kernel does not know the socket option.
	ErrKernelTooOld = errors.New("kernel is too old")
	// ErrVersion: the protocol version is below TLS 1.2.
	ErrVersion = errors.New("TLS version is not supported by the kernel")
	// ErrCipher: the cipher suite is one that the kernel, or this package, lacks.
	ErrCipher = errors.New("cipher is not supported by the kernel")
	// ErrNoKeys: the handshake did not reveal the session's keys. A TLS 1.2 session that
	// crypto/tls itself put into the session cache resumes without them.
	ErrNoKeys = errors.New("session keys are unknown")
	// ErrDataBuffered: crypto/tls has read or written more than the handover can account
	// for.
	ErrDataBuffered = errors.New("records are already buffered in user space")
	// ErrRenegotiation: the configuration allows renegotiation, which needs crypto/tls.
	ErrRenegotiation = errors.New("renegotiation is enabled")
	// ErrInUse: the socket already has another upper layer protocol, or keys.
	ErrInUse = errors.New("socket already has an upper layer protocol or keys")
	// ErrNotOffloaded: kernel TLS is not on for the socket's direction.
	ErrNotOffloaded = errors.New("kernel TLS is not enabled")
	// ErrRefused: the kernel refused for a reason that only the cause tells.
	ErrRefused = errors.New("kernel refused")
	// ErrRekey: the kernel cannot change the keys of a socket (it can from 6.14, TLS 1.3
	// only).
	ErrRekey = errors.New("kernel cannot change keys (needs Linux 6.14)")
)

// OffloadError says which step towards kernel TLS failed and why.
type OffloadError struct {
	Op     string // what was tried, such as "set TLS_TX"
	Reason error  // one of the package's Err values
	Cause  error  // the system call's error, or nil
}

// Error returns the step, the reason and the cause.
func (e *OffloadError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("ktls: %s: %v", e.Op, e.Reason)
	}
	return fmt.Sprintf("ktls: %s: %v: %v", e.Op, e.Reason, e.Cause)
}

// Unwrap returns the reason and, if there is one, the cause.
func (e *OffloadError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

package ktls

import (
	"errors"

	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// OffloadError says which step towards kernel TLS failed and why. Its Reason is one of the Err values below.
type OffloadError = raw.Error

// Why a direction is not in the kernel. [errors.Is] finds them in the reasons of [Conn.Offload] and of
// Config.OnHandover, in the errors of [Require] and in those of [Available].
var (
	// ErrPolicy: the policy is Never.
	ErrPolicy = errors.New("policy is never")
	// ErrHandshakePending: the handshake is not over.
	ErrHandshakePending = errors.New("handshake is not complete")
	// ErrPlatform: the operating system is not Linux.
	ErrPlatform = raw.ErrPlatform
	// ErrNotTCP: the connection is not a *net.TCPConn.
	ErrNotTCP = raw.ErrNotTCP
	// ErrMultipathTCP: the connection or listener is one of Multipath TCP, which Go's net.Listen makes. See
	// [NewListener].
	ErrMultipathTCP = errors.New("the socket is one of Multipath TCP, which has no kernel TLS (use ktls.Listen, or net.ListenConfig.SetMultipathTCP(false))")
	// ErrNotConnected: the TCP connection is not established.
	ErrNotConnected = raw.ErrNotConnected
	// ErrModuleMissing: the kernel has no tls module, or may not load it.
	ErrModuleMissing = raw.ErrModuleMissing
	// ErrFamilyMissing: the kernel has no AF_KTLS, which DTLS needs. The module is kmod/af_ktls of this package's
	// repository.
	ErrFamilyMissing = raw.ErrFamilyMissing
	// ErrKernelTooOld: the kernel does not know the socket option.
	ErrKernelTooOld = errors.New("kernel is too old")
	// ErrVersion: the protocol version is below TLS 1.2.
	ErrVersion = errors.New("TLS version is not supported by the kernel")
	// ErrCipher: the kernel, or this package, lacks the cipher suite.
	ErrCipher = raw.ErrCipher
	// ErrNoKeys: the handshake did not reveal the session's keys. A TLS 1.2 session that crypto/tls itself put into
	// the session cache resumes without them.
	ErrNoKeys = errors.New("session keys are unknown")
	// ErrDataBuffered: crypto/tls has read or written more than the handover can account for.
	ErrDataBuffered = errors.New("records are already buffered in user space")
	// ErrRenegotiation: the configuration allows renegotiation, which needs crypto/tls.
	ErrRenegotiation = errors.New("renegotiation is enabled")
	// ErrInUse: the socket already has another upper layer protocol, or keys.
	ErrInUse = raw.ErrInUse
	// ErrNotOffloaded: kernel TLS is not enabled for the connection. It is the same error as raw.ErrNotEnabled.
	ErrNotOffloaded = raw.ErrNotEnabled
	// ErrRefused: the kernel refused for a reason that only the cause names.
	ErrRefused = raw.ErrRefused
	// ErrRekey: the kernel cannot change the keys of a socket. It can from 6.14, for TLS 1.3 only.
	ErrRekey = raw.ErrRekey
)

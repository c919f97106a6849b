package ktls

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What kmod/af_ktls/af_ktls.h says.
const (
	afKTLS     = 12 // AF_KTLS, and the level of its options
	ktlsSetMTU = 7  // KTLS_SET_MTU: __u32, the largest datagram in bytes
	ktlsGetMTU = 17 // KTLS_GET_MTU: size_t, how much plaintext fits one record
	ktlsTX     = 21 // KTLS_TX, struct tls12_crypto_info_*; KTLS_RX is the next
)

// familySocket is a socket of AF_KTLS, which the runtime's poller watches.
type familySocket struct {
	*os.File
	rc syscall.RawConn
}

// EnableFamily puts a socket of AF_KTLS over a connected TCP or UDP socket, with the given keys
// and no handshake: what is written to the file that it returns goes out as records, which
// for TCP are those of [EnableRaw], and for UDP those of DTLS 1.2 (Version 0xfefd, Seq and with
// AES-GCM IV are epoch and sequence number). A nil tx or rx leaves that direction without
// keys. Closing the file gives a UDP socket back. Errors are [*OffloadError], of
// [ErrFamilyMissing] where there is no such family. It is for tests and tools, as EnableRaw is.
func EnableFamily(conn syscall.Conn, tx, rx *CryptoInfo) (*os.File, error) {
	s, err := bindFamily(conn)
	if err != nil {
		return nil, err
	}
	for dir, info := range map[Direction]*CryptoInfo{TX: tx, RX: rx} {
		if info == nil {
			continue
		}
		if err := s.setKeys(dir, info); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s.File, nil
}

// bindFamily opens a socket of the kind of conn and binds it to that.
func bindFamily(conn syscall.Conn) (*familySocket, error) {
	kind := unix.SOCK_DGRAM
	err := control(conn, func(fd int) (err error) {
		kind, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		return err
	})
	if err != nil {
		return nil, &OffloadError{Op: "open AF_KTLS", Reason: ErrNotConnected, Cause: err}
	}
	fd, err := openFamily(kind)
	if err != nil {
		return nil, err
	}
	if err := bindTo(fd, conn); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	// Not before: a stream socket has nothing that the poller could wait for until it is bound.
	s := &familySocket{File: os.NewFile(uintptr(fd), "af_ktls")}
	if s.rc, err = s.SyscallConn(); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// openFamily makes an AF_KTLS socket. socket(2) loads the module where it is installed.
func openFamily(kind int) (int, error) {
	fd, err := unix.Socket(afKTLS, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		return fd, nil
	}
	reason := ErrRefused
	if errors.Is(err, unix.EAFNOSUPPORT) {
		reason = ErrFamilyMissing
	}
	return -1, &OffloadError{Op: "open AF_KTLS", Reason: reason, Cause: os.NewSyscallError("socket", err)}
}

// DTLSAvailable reports whether the kernel seals DTLS, by opening a socket of AF_KTLS. The
// error is an [*OffloadError], of [ErrFamilyMissing] where the module is missing.
func DTLSAvailable() error {
	fd, err := openFamily(unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// bindTo attaches a socket to the one below: struct sockaddr_ktls is cipher, descriptor and
// version, of 16 bits each. Cipher 0 is the one of the keys. x/sys has no such address.
func bindTo(own int, below syscall.Conn) error {
	err := control(below, func(fd int) error {
		if fd > 0xffff {
			return unix.EBADF // the field has no more room
		}
		addr := [3]uint16{1: uint16(fd)}
		_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(own), uintptr(unsafe.Pointer(&addr)), unsafe.Sizeof(addr))
		if errno != 0 {
			return errno
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return &OffloadError{Op: "bind AF_KTLS", Reason: bindReason(err), Cause: os.NewSyscallError("bind", err)}
}

func bindReason(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
		return ErrInUse
	case errors.Is(err, unix.ENOTCONN):
		return ErrNotConnected
	case errors.Is(err, unix.ENOENT):
		return ErrModuleMissing // the one for TLS, which a stream socket needs
	}
	return ErrRefused
}

func (s *familySocket) setKeys(dir Direction, info *CryptoInfo) error {
	b, err := info.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(b)
	return s.set("set K"+dir.String(), ktlsTX+int(dir-TX), b)
}

func (s *familySocket) set(op string, opt int, value []byte) error {
	set := func(fd uintptr) error { return unix.SetsockoptString(int(fd), afKTLS, opt, string(value)) }
	err := s.withFD(set)
	if errors.Is(err, unix.ETIMEDOUT) { // the cipher's module was still testing itself
		err = s.withFD(set)
	}
	if err == nil {
		return nil
	}
	return &OffloadError{Op: op, Reason: keysReason(err), Cause: os.NewSyscallError("setsockopt", err)}
}

func (s *familySocket) withFD(f func(fd uintptr) error) (err error) {
	if cerr := s.rc.Control(func(fd uintptr) { err = f(fd) }); cerr != nil {
		return cerr
	}
	return err
}

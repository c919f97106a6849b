package raw

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// EnableFamily puts a socket of AF_KTLS over a connected TCP or UDP socket and sets the given
// keys: what is written to the file that it returns goes out as records, which for TCP are
// those of [Enable], and for UDP those of DTLS 1.2 (Version 0xfefd; Seq and with AES-GCM IV are
// epoch and sequence number). A nil tx or rx leaves that direction without keys. Closing the
// file gives a UDP socket back. Errors are [*Error], of [ErrFamilyMissing] where there is no
// such family.
func EnableFamily(conn syscall.Conn, tx, rx *CryptoInfo) (*os.File, error) {
	f, err := bindFamily(conn)
	if err != nil {
		return nil, err
	}
	for dir, info := range map[Direction]*CryptoInfo{TX: tx, RX: rx} {
		if info == nil {
			continue
		}
		if err := SetFamilyKeys(f, dir, info); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return f, nil
}

// SetFamilyKeys sets one direction's keys on a file that [EnableFamily] has returned.
func SetFamilyKeys(file *os.File, dir Direction, info *CryptoInfo) error {
	b, err := info.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(b)
	set := func(fd int) error {
		return unix.SetsockoptString(fd, kernel.FamilyKTLS, kernel.FamilyTX+int(dir-TX), string(b))
	}
	err = kernel.Control(file, set)
	if errors.Is(err, unix.ETIMEDOUT) { // the cipher's module was still testing itself
		err = kernel.Control(file, set)
	}
	if err != nil {
		return &Error{Op: "set K" + dir.String(), Reason: keysReason(err), Cause: os.NewSyscallError("setsockopt", err)}
	}
	return nil
}

// bindFamily opens a socket of the kind of conn and binds it to that.
func bindFamily(conn syscall.Conn) (*os.File, error) {
	kind := unix.SOCK_DGRAM
	err := kernel.Control(conn, func(fd int) (err error) {
		kind, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		return err
	})
	if err != nil {
		return nil, &Error{Op: "open AF_KTLS", Reason: ErrNotConnected, Cause: err}
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
	return os.NewFile(uintptr(fd), "af_ktls"), nil
}

// bindTo attaches a socket to the one below: struct sockaddr_ktls is cipher, descriptor and
// version, of 16 bits each. Cipher 0 is the one of the keys. x/sys has no such address.
func bindTo(own int, below syscall.Conn) error {
	err := kernel.Control(below, func(fd int) error {
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
	return &Error{Op: "bind AF_KTLS", Reason: bindReason(err), Cause: os.NewSyscallError("bind", err)}
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

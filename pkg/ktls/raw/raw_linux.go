package raw

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// Enable enables kernel TLS on a connected TCP socket and sets the given keys. A nil tx or rx
// leaves that direction as it is. It works for every cipher of the kernel. Errors are
// [*Error]. When tx has been set and rx fails the socket is of no more use.
func Enable(conn syscall.Conn, tx, rx *CryptoInfo) error {
	if err := attachULP(conn); err != nil {
		return err
	}
	if tx != nil {
		if err := SetKeys(conn, TX, tx); err != nil {
			return err
		}
	}
	if rx != nil {
		return SetKeys(conn, RX, rx)
	}
	return nil
}

// SetKeys sets one direction's keys on a socket that [Enable] has prepared. Setting them
// a second time is a key change, which the kernel allows from Linux 6.14 for TLS 1.3 and
// otherwise answers with [ErrRekey].
func SetKeys(conn syscall.Conn, dir Direction, info *CryptoInfo) error {
	b, err := info.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(b)
	if err := kernel.SetKeys(conn, int(dir), b); err != nil {
		return &Error{Op: "set " + dir.String(), Reason: keysReason(err), Cause: os.NewSyscallError("setsockopt", err)}
	}
	return nil
}

// keysReason explains do_tls_setsockopt_conf's errors (net/tls/tls_main.c).
func keysReason(err error) error {
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return ErrNotEnabled
	case errors.Is(err, unix.EBUSY):
		return ErrRekey
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return ErrCipher // ENOENT: the crypto module is missing
	}
	return ErrRefused
}

func attachULP(conn syscall.Conn) error {
	err := kernel.Control(conn, func(fd int) error {
		return unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	})
	if err == nil {
		return nil
	}
	return &Error{Op: "set TCP_ULP", Reason: ulpReason(err), Cause: os.NewSyscallError("setsockopt", err)}
}

// ulpReason explains tcp_set_ulp's and tls_init's errors.
func ulpReason(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return ErrModuleMissing
	case errors.Is(err, unix.ENOTCONN):
		return ErrNotConnected
	case errors.Is(err, unix.EEXIST):
		return ErrInUse
	case errors.Is(err, unix.ENOPROTOOPT), errors.Is(err, unix.EOPNOTSUPP):
		return ErrNotTCP // also MPTCP, which refuses the option
	}
	return ErrRefused
}

// SendRecord sends b as one record of the given content type, or as several if it is longer
// than 16,384 bytes. It waits for buffer space up to the write deadline and returns the
// number of bytes taken. flags are those of sendmsg(2); unix.MSG_MORE, which leaves the
// record open, is for application data alone.
func SendRecord(conn syscall.Conn, typ ContentType, b []byte, flags int) (int, error) {
	rc, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var sendErr error
	err = rc.Write(func(fd uintptr) bool {
		n, sendErr = kernel.Send(int(fd), byte(typ), b, flags)
		return sendErr != unix.EAGAIN
	})
	if err != nil {
		return 0, err
	}
	return n, os.NewSyscallError("sendmsg", sendErr)
}

// RecvRecord reads from one record and returns its content type, waiting up to the read
// deadline. Bytes of several data records may come together, but never of two types. flags
// are those of recvmsg(2), such as unix.MSG_PEEK. At the end of the stream it returns 0
// bytes, type 0 and no error.
func RecvRecord(conn syscall.Conn, p []byte, flags int) (int, ContentType, error) {
	rc, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var n int
	var typ byte
	var recvErr error
	err = rc.Read(func(fd uintptr) bool {
		n, typ, recvErr = kernel.Recv(int(fd), p, flags)
		return recvErr != unix.EAGAIN
	})
	if err != nil {
		return 0, 0, err
	}
	return n, ContentType(typ), os.NewSyscallError("recvmsg", recvErr)
}

package ktls

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket options and control messages of linux/tls.h that x/sys lacks.
const (
	optZeroCopyRO  = 3 // TLS_TX_ZEROCOPY_RO, Linux 5.19
	optExpectNoPad = 4 // TLS_RX_EXPECT_NO_PAD, Linux 6.0
	optMaxPayload  = 5 // TLS_TX_MAX_PAYLOAD_LEN, Linux 6.19
	cmsgSetType    = 1 // TLS_SET_RECORD_TYPE
	cmsgGetType    = 2 // TLS_GET_RECORD_TYPE
)

// EnableRaw turns kernel TLS on for a connected TCP socket with the given keys and no
// handshake; a nil tx or rx leaves that direction as it is. It works for every cipher of
// the kernel. Errors are [*OffloadError]. When tx has been set and rx fails the socket is
// of no more use.
func EnableRaw(conn syscall.Conn, tx, rx *CryptoInfo) error {
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

// SetKeys sets one direction's keys on a socket that [EnableRaw] has prepared. Setting them
// a second time is a key change, which the kernel allows from Linux 6.14 for TLS 1.3 and
// otherwise answers with [ErrRekey].
func SetKeys(conn syscall.Conn, dir Direction, info *CryptoInfo) error {
	b, err := info.MarshalBinary()
	if err != nil {
		return err
	}
	defer clear(b)
	return setKeys(conn, dir, b)
}

func setKeys(conn syscall.Conn, dir Direction, info []byte) error {
	set := func(fd int) error { return unix.SetsockoptString(fd, unix.SOL_TLS, int(dir), string(info)) }
	err := control(conn, set)
	if err == unix.ETIMEDOUT { // the cipher's module was still testing itself
		err = control(conn, set)
	}
	if err == nil {
		return nil
	}
	return &OffloadError{Op: "set " + dir.String(), Reason: keysReason(err), Cause: os.NewSyscallError("setsockopt", err)}
}

// keysReason explains do_tls_setsockopt_conf's errors (net/tls/tls_main.c).
func keysReason(err error) error {
	switch {
	case errors.Is(err, unix.ENOPROTOOPT):
		return ErrNotOffloaded
	case errors.Is(err, unix.EBUSY):
		return ErrRekey
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return ErrCipher // ENOENT: the crypto module is missing
	}
	return ErrRefused
}

func attachULP(conn syscall.Conn) error {
	err := control(conn, func(fd int) error {
		return unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	})
	if err == nil {
		return nil
	}
	return &OffloadError{Op: "set TCP_ULP", Reason: ulpReason(err), Cause: os.NewSyscallError("setsockopt", err)}
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
		n, sendErr = sendRecord(int(fd), typ, b, flags)
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
	var typ ContentType
	var recvErr error
	err = rc.Read(func(fd uintptr) bool {
		n, typ, recvErr = recvRecord(int(fd), p, flags)
		return recvErr != unix.EAGAIN
	})
	if err != nil {
		return 0, 0, err
	}
	return n, typ, os.NewSyscallError("recvmsg", recvErr)
}

func sendRecord(fd int, typ ContentType, b []byte, flags int) (int, error) {
	oob := typeMessage(typ)
	if typ == TypeApplicationData && flags&unix.MSG_MORE != 0 {
		oob = nil // tls_process_cmsg refuses the two together, and the type is the default
	}
	for {
		n, err := unix.SendmsgN(fd, b, oob, nil, flags|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

func recvRecord(fd int, p []byte, flags int) (int, ContentType, error) {
	oob := make([]byte, unix.CmsgSpace(1))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, p, oob, flags)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		return n, messageType(oob[:oobn]), nil
	}
}

// messageType reads TLS_GET_RECORD_TYPE. It is 0 at the end of the stream, where the kernel
// adds no control message, and also on a direction without keys.
func messageType(oob []byte) ContentType {
	if len(oob) == 0 {
		return 0
	}
	hdr, data, _, err := unix.ParseOneSocketControlMessage(oob)
	if err != nil || hdr.Level != unix.SOL_TLS || hdr.Type != cmsgGetType || len(data) < 1 {
		return 0
	}
	return ContentType(data[0])
}

// control runs f on conn's descriptor.
func control(conn syscall.Conn, f func(fd int) error) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	if err := rc.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		return err
	}
	return callErr
}

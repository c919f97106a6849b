// Package kernel makes the system calls that the record layer of kernel TLS needs, on descriptors. Package raw is its public
// face, and package ktls its hot path.
package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Socket options and control messages of linux/tls.h that x/sys lacks.
const (
	ZeroCopyRO  = 3 // TLS_TX_ZEROCOPY_RO, Linux 5.19
	ExpectNoPad = 4 // TLS_RX_EXPECT_NO_PAD, Linux 6.0
	MaxPayload  = 5 // TLS_TX_MAX_PAYLOAD_LEN, Linux 6.19

	cmsgSetType = 1 // TLS_SET_RECORD_TYPE
	cmsgGetType = 2 // TLS_GET_RECORD_TYPE
)

// What kmod/af_ktls/af_ktls.h says.
const (
	FamilyKTLS   = 12 // AF_KTLS, and the level of its options
	FamilySetMTU = 7  // KTLS_SET_MTU: __u32, the largest datagram in bytes
	FamilyGetMTU = 17 // KTLS_GET_MTU: size_t, how much plaintext fits one record
	FamilyTX     = 21 // KTLS_TX, struct tls12_crypto_info_*; KTLS_RX is the next
)

// applicationData is a record's default type (RFC 8446, section 5.1).
const applicationData = 23

// Send sends b as one record of the given content type, or as several if it is longer than 16,384 bytes. It does not wait
// on a descriptor that does not block, and returns the number of bytes taken.
func Send(fd int, typ byte, b []byte, flags int) (int, error) {
	oob := TypeMessage(typ)
	if typ == applicationData && flags&unix.MSG_MORE != 0 {
		oob = nil // tls_process_cmsg refuses the two together, and the type is the default
	}
	for {
		n, err := unix.SendmsgN(fd, b, oob, nil, flags|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Recv reads from one record and returns its content type, which is 0 at the end of the stream.
func Recv(fd int, p []byte, flags int) (n int, typ byte, err error) {
	oob := make([]byte, unix.CmsgSpace(1))
	for {
		n, oobn, _, _, err := unix.Recvmsg(fd, p, oob, flags)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		return n, MessageType(oob[:oobn]), nil
	}
}

// SetKeys sets one direction's struct tls12_crypto_info_*. dir is TLS_TX or TLS_RX.
func SetKeys(conn syscall.Conn, dir int, info []byte) error {
	set := func(fd int) error { return unix.SetsockoptString(fd, unix.SOL_TLS, dir, string(info)) }
	err := Control(conn, set)
	if err == unix.ETIMEDOUT { // the cipher's module was still testing itself
		err = Control(conn, set)
	}
	return err
}

// Control runs f on conn's descriptor.
func Control(conn syscall.Conn, f func(fd int) error) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return OnFD(rc, f)
}

// OnFD is Control for who has the raw connection already.
func OnFD(rc syscall.RawConn, f func(fd int) error) error {
	var callErr error
	if err := rc.Control(func(fd uintptr) { callErr = f(int(fd)) }); err != nil {
		return err
	}
	return callErr
}

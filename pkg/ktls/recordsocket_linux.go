package ktls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// tcpSocket is a TCP connection with the kernel's TLS on it. Its Write and ReadFrom are
// TCPConn's own: write(2) and sendfile(2) make application data.
type tcpSocket struct {
	*net.TCPConn
	rc     syscall.RawConn
	cipher raw.Cipher // of the keys that the kernel has for TX

	// The call that recv makes, built once. The layer's read lock guards it.
	rx struct {
		call func(fd uintptr) bool
		p    []byte
		n    int
		typ  byte
		err  error
	}
}

// newRecordSocket attaches the kernel's TLS to conn, without keys as yet: until the first
// of them is set the socket works as before.
func newRecordSocket(conn net.Conn) (recordSocket, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, &OffloadError{Op: "set TCP_ULP", Reason: ErrNotTCP}
	}
	rc, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := raw.Enable(tcp, nil, nil); err != nil {
		return nil, multipathError(tcp, err)
	}
	s := &tcpSocket{TCPConn: tcp, rc: rc}
	s.rx.call = func(fd uintptr) bool {
		s.rx.n, s.rx.typ, s.rx.err = kernel.Recv(int(fd), s.rx.p, 0)
		return s.rx.err != unix.EAGAIN
	}
	return s, nil
}

func (s *tcpSocket) recv(p []byte) (int, raw.ContentType, error) {
	s.rx.p = p
	err := s.rc.Read(s.rx.call)
	s.rx.p = nil
	if err != nil {
		return 0, 0, renamed("read", err)
	}
	if s.rx.err != nil {
		return 0, 0, s.recvError(s.rx.err)
	}
	return s.rx.n, raw.ContentType(s.rx.typ), nil
}

// recvError tells a record that could not be opened (tls_rx_msg_size and tls_decrypt_sg,
// net/tls/tls_sw.c) from a failure of the connection.
func (s *tcpSocket) recvError(err error) error {
	cause := s.callError("read", "recvmsg", err)
	alert, ok := map[error]tls.AlertError{
		unix.EBADMSG:  alertBadRecordMAC,
		unix.EMSGSIZE: alertRecordOverflow,
		unix.EINVAL:   alertProtocolVersion,
	}[err]
	if !ok {
		return cause
	}
	s.clearError()
	return &recordError{alert, cause}
}

// callError gives a failed system call the form of TCPConn's errors. It returns nil for nil.
func (s *tcpSocket) callError(op, call string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError(call, err)}
}

func (s *tcpSocket) send(typ raw.ContentType, p []byte) error {
	_, err := raw.SendRecord(s.TCPConn, typ, p, 0)
	return renamed("write", err)
}

// trySend goes round the poller: it must neither wait nor take the write lock that a
// waiting Write holds.
func (s *tcpSocket) trySend(typ raw.ContentType, p []byte) error {
	return kernel.Control(s.TCPConn, func(fd int) error {
		_, err := kernel.Send(fd, byte(typ), p, unix.MSG_DONTWAIT)
		return os.NewSyscallError("sendmsg", err)
	})
}

func (s *tcpSocket) setKeys(dir raw.Direction, info *raw.CryptoInfo) error {
	if err := raw.SetKeys(s.TCPConn, dir, info); err != nil {
		return err
	}
	if dir == raw.TX {
		s.cipher = info.Cipher
	}
	return nil
}

// rekeys is set once the kernel has shown that it changes keys, which it does for all sockets.
var rekeys atomic.Bool

// canRekey asks for keys of a cipher that does not exist. A kernel that changes keys looks
// at the cipher and answers EINVAL; one that does not never gets that far: EBUSY.
func (s *tcpSocket) canRekey() error {
	if rekeys.Load() {
		return nil
	}
	probe := binary.NativeEndian.AppendUint16(nil, 0x0304)
	err := kernel.SetKeys(s.TCPConn, int(raw.TX), binary.NativeEndian.AppendUint16(probe, 0xffff))
	if errors.Is(err, unix.EBUSY) {
		return &OffloadError{Op: "set TLS_TX", Reason: ErrRekey, Cause: os.NewSyscallError("setsockopt", err)}
	}
	rekeys.Store(errors.Is(err, unix.EINVAL))
	return nil
}

// truncated looks for bytes that TCP still has at the end of the stream: the start of a
// record whose rest will never come.
func (s *tcpSocket) truncated() bool {
	var n int
	err := kernel.Control(s.TCPConn, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
		return err
	})
	return err == nil && n > 0
}

// setOption sets one of the kernel's boolean TLS options.
func setOption(conn *net.TCPConn, name string, opt int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return optionError(name, kernel.Control(conn, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_TLS, opt, value)
	}))
}

// optionError explains why the kernel refused one of its TLS options.
func optionError(name string, err error) error {
	if err == nil {
		return nil
	}
	reason := ErrRefused
	if errors.Is(err, unix.ENOPROTOOPT) {
		reason = ErrKernelTooOld
	}
	return &OffloadError{Op: "set " + name, Reason: reason, Cause: os.NewSyscallError("setsockopt", err)}
}

func (s *tcpSocket) setZeroCopy(on bool) error {
	return setOption(s.TCPConn, "TLS_TX_ZEROCOPY_RO", kernel.ZeroCopyRO, on)
}

func (s *tcpSocket) setNoPad(on bool) error {
	return setOption(s.TCPConn, "TLS_RX_EXPECT_NO_PAD", kernel.ExpectNoPad, on)
}

// setMaxPayload passes an unsigned 16-bit number, the one length that the kernel accepts.
func (s *tcpSocket) setMaxPayload(n int) error {
	value := binary.NativeEndian.AppendUint16(nil, uint16(n))
	return optionError("TLS_TX_MAX_PAYLOAD_LEN", kernel.Control(s.TCPConn, func(fd int) error {
		return unix.SetsockoptString(fd, unix.SOL_TLS, kernel.MaxPayload, string(value))
	}))
}

// clearError takes the error that the kernel left on the socket when a record failed to
// open: until then nothing can be sent, not even the alert about it.
func (s *tcpSocket) clearError() {
	_ = kernel.Control(s.TCPConn, func(fd int) error {
		_, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		return err
	})
}

// renamed gives the errors of RawConn.Read and RawConn.Write the name that TCPConn's have.
func renamed(op string, err error) error {
	var opErr *net.OpError
	if errors.As(err, &opErr) {
		opErr.Op = op
	}
	return err
}

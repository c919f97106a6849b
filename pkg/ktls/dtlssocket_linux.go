package ktls

import (
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

var errMessageSize = unix.EMSGSIZE

// ktlsSocket is a datagram socket of AF_KTLS: the record layer over a connected UDP socket.
type ktlsSocket struct {
	*os.File
	rc     syscall.RawConn
	udp    *net.UDPConn
	closed atomic.Bool
}

// attachDTLS gives a connected UDP socket's records to the module af_ktls. Where it fails the
// AF_KTLS socket is closed again, which leaves the UDP socket as it was, and nothing has
// been sealed: the keys for sending come last.
func attachDTLS(conn *net.UDPConn, h *dtlsHandover, mtu int) (dtlsSocket, error) {
	f, err := raw.EnableFamily(conn, nil, nil)
	if err != nil {
		return nil, err
	}
	s := &ktlsSocket{File: f, udp: conn}
	if err := s.install(h, mtu); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// install sets the MTU, where it is not 0, and both directions' keys.
func (s *ktlsSocket) install(h *dtlsHandover, mtu int) (err error) {
	if s.rc, err = s.File.SyscallConn(); err != nil {
		return err
	}
	if mtu > 0 {
		err := kernel.OnFD(s.rc, func(fd int) error {
			return unix.SetsockoptString(fd, kernel.FamilyKTLS, kernel.FamilySetMTU, string(binary.NativeEndian.AppendUint32(nil, uint32(mtu))))
		})
		if err != nil {
			return &OffloadError{Op: "set KTLS_SET_MTU", Reason: ErrRefused, Cause: os.NewSyscallError("setsockopt", err)}
		}
	}
	for _, dir := range []raw.Direction{raw.RX, raw.TX} {
		if err := raw.SetFamilyKeys(s.File, dir, h.cryptoInfo(dir)); err != nil {
			return err
		}
	}
	return nil
}

// Close gives the UDP socket back, and closes it.
func (s *ktlsSocket) Close() error {
	s.closed.Store(true)
	return errors.Join(s.File.Close(), s.udp.Close())
}

func (s *ktlsSocket) payload() (n int, err error) {
	err = kernel.OnFD(s.rc, func(fd int) error {
		n, err = unix.GetsockoptInt(fd, kernel.FamilyKTLS, kernel.FamilyGetMTU)
		return err
	})
	if err != nil {
		return 0, s.named("read", os.NewSyscallError("getsockopt", err))
	}
	return min(n, maxPlaintext), nil
}

func (s *ktlsSocket) recv(p []byte) (n int, typ raw.ContentType, whole bool, err error) {
	waitErr := s.rc.Read(func(fd uintptr) bool {
		n, typ, whole, err = recvDatagram(int(fd), p)
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		return 0, 0, false, s.named("read", waitErr)
	}
	return n, typ, whole, s.named("read", os.NewSyscallError("recvmsg", err))
}

// recvDatagram is recvmsg(2) for one record. Application data comes without a control
// message.
func recvDatagram(fd int, p []byte) (n int, typ raw.ContentType, whole bool, err error) {
	oob := make([]byte, unix.CmsgSpace(1))
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, p, oob, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, false, err
		}
		if typ = raw.ContentType(kernel.MessageType(oob[:oobn])); typ == 0 {
			typ = raw.TypeApplicationData
		}
		return min(n, len(p)), typ, flags&unix.MSG_TRUNC == 0, nil
	}
}

func (s *ktlsSocket) send(typ raw.ContentType, p []byte) (err error) {
	waitErr := s.rc.Write(func(fd uintptr) bool {
		err = sendDatagram(int(fd), typ, p)
		return err != unix.EAGAIN
	})
	if waitErr != nil {
		return s.named("write", waitErr)
	}
	return s.named("write", os.NewSyscallError("sendmsg", err))
}

// trySend goes round the poller: it must neither wait nor take the lock of a Write that
// waits.
func (s *ktlsSocket) trySend(typ raw.ContentType, p []byte) error {
	return kernel.OnFD(s.rc, func(fd int) error { return os.NewSyscallError("sendmsg", sendDatagram(fd, typ, p)) })
}

func sendDatagram(fd int, typ raw.ContentType, p []byte) error {
	var oob []byte
	if typ != raw.TypeApplicationData {
		oob = kernel.TypeMessage(byte(typ))
	}
	for {
		_, err := unix.SendmsgN(fd, p, oob, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// left reads from the UDP socket what the module does not take.
func (s *ktlsSocket) left(p []byte) (int, error) { return s.udp.Read(p) }

// offload: the module is software. Its keys were both taken before the handover ended.
func (s *ktlsSocket) offload() Offload {
	d := DirectionState{Mode: ModeSoftware}
	return Offload{TX: d, RX: d}
}

// named gives errors the form that package net's have.
func (s *ktlsSocket) named(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case s.closed.Load(): // os's raw connections have an error of their own for it
		err = net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: op, Net: "udp", Source: s.udp.LocalAddr(), Addr: s.udp.RemoteAddr(), Err: err}
}

// pathDatagram is the longest datagram that fits the path to the peer as the kernel knows it:
// the route's MTU less the headers of IP and UDP (8 bytes).
func pathDatagram(conn *net.UDPConn) (n int, err error) {
	remote, ok := conn.RemoteAddr().(*net.UDPAddr)
	if !ok {
		return 0, errNotConnectedUDP
	}
	level, opt, headers := unix.IPPROTO_IPV6, unix.IPV6_MTU, 40+8
	if remote.IP.To4() != nil {
		level, opt, headers = unix.IPPROTO_IP, unix.IP_MTU, 20+8
	}
	err = kernel.Control(conn, func(fd int) error {
		n, err = unix.GetsockoptInt(fd, level, opt)
		return os.NewSyscallError("getsockopt", err)
	})
	return min(n, 0xffff) - headers, err
}

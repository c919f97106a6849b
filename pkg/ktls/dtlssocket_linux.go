package ktls

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

var errMessageSize = unix.EMSGSIZE

// ktlsSocket is a datagram socket of AF_KTLS: the record layer over a connected UDP socket.
type ktlsSocket struct {
	*familySocket
	udp    *net.UDPConn
	closed atomic.Bool
}

// attachDTLS gives a connected UDP socket's records to the module af_ktls. Where it fails the
// AF_KTLS socket is closed again, which leaves the UDP socket as it was, and nothing has
// been sealed: the keys for sending come last.
func attachDTLS(conn *net.UDPConn, h *dtlsHandover, mtu int) (dtlsSocket, error) {
	f, err := bindFamily(conn)
	if err != nil {
		return nil, err
	}
	if mtu > 0 {
		err = f.set("set KTLS_SET_MTU", ktlsSetMTU, binary.NativeEndian.AppendUint32(nil, uint32(mtu)))
	}
	for _, dir := range []Direction{RX, TX} {
		if err == nil {
			err = f.setKeys(dir, h.cryptoInfo(dir))
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &ktlsSocket{familySocket: f, udp: conn}, nil
}

// Close gives the UDP socket back, and closes it.
func (s *ktlsSocket) Close() error {
	s.closed.Store(true)
	return errors.Join(s.File.Close(), s.udp.Close())
}

func (s *ktlsSocket) payload() (n int, err error) {
	err = s.withFD(func(fd uintptr) error {
		n, err = unix.GetsockoptInt(int(fd), afKTLS, ktlsGetMTU)
		return err
	})
	if err != nil {
		return 0, s.named("read", os.NewSyscallError("getsockopt", err))
	}
	return min(n, maxPlaintext), nil
}

func (s *ktlsSocket) recv(p []byte) (n int, typ ContentType, whole bool, err error) {
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
func recvDatagram(fd int, p []byte) (n int, typ ContentType, whole bool, err error) {
	oob := make([]byte, unix.CmsgSpace(1))
	for {
		n, oobn, flags, _, err := unix.Recvmsg(fd, p, oob, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, 0, false, err
		}
		if typ = messageType(oob[:oobn]); typ == 0 {
			typ = TypeApplicationData
		}
		return min(n, len(p)), typ, flags&unix.MSG_TRUNC == 0, nil
	}
}

func (s *ktlsSocket) send(typ ContentType, p []byte) (err error) {
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
func (s *ktlsSocket) trySend(typ ContentType, p []byte) error {
	return s.withFD(func(fd uintptr) error { return os.NewSyscallError("sendmsg", sendDatagram(int(fd), typ, p)) })
}

func sendDatagram(fd int, typ ContentType, p []byte) error {
	var oob []byte
	if typ != TypeApplicationData {
		oob = typeMessage(typ)
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
	err = control(conn, func(fd int) error {
		n, err = unix.GetsockoptInt(fd, level, opt)
		return os.NewSyscallError("getsockopt", err)
	})
	return min(n, 0xffff) - headers, err
}

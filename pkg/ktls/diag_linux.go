package ktls

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// Attributes and values of inet_diag.h and tls.h that x/sys lacks.
const (
	inetDiagULPInfo = 19 // INET_DIAG_ULP_INFO
	extInfo         = 2  // 1 << (INET_DIAG_INFO - 1), without which there is no ULP_INFO
	ulpInfoTLS      = 2  // INET_ULP_INFO_TLS
	tlsInfoTXConf   = 3  // TLS_INFO_TXCONF
	tlsInfoRXConf   = 4  // TLS_INFO_RXCONF
	inetDiagMsgLen  = 72 // struct inet_diag_msg
)

// offload asks the kernel, by sock_diag(7), where the records are made. Before Linux 6.13
// it answers only callers with CAP_NET_ADMIN; others get ModeKernel.
func (s *tcpSocket) offload() Offload {
	o := Offload{TX: DirectionState{Mode: ModeKernel}, RX: DirectionState{Mode: ModeKernel}}
	var info []byte
	err := kernel.Control(s.TCPConn, func(fd int) (err error) {
		info, err = ulpInfo(fd)
		return err
	})
	if err != nil {
		return o
	}
	tls := attributes(attributes(info)[ulpInfoTLS])
	o.TX.Mode = confMode(tls[tlsInfoTXConf])
	o.RX.Mode = confMode(tls[tlsInfoRXConf])
	return o
}

// confMode translates TLS_CONF_*.
func confMode(conf []byte) Mode {
	if len(conf) < 2 {
		return ModeKernel
	}
	switch binary.NativeEndian.Uint16(conf) {
	case 1: // TLS_CONF_BASE
		return ModeNone
	case 2: // TLS_CONF_SW
		return ModeSoftware
	case 3, 4: // TLS_CONF_HW, TLS_CONF_HW_RECORD
		return ModeHardware
	}
	return ModeKernel
}

// ulpInfo returns the INET_DIAG_ULP_INFO attribute of a TCP socket.
func ulpInfo(fd int) ([]byte, error) {
	req, err := diagRequest(fd)
	if err != nil {
		return nil, err
	}
	reply, err := diagExchange(req)
	if err != nil {
		return nil, err
	}
	info, ok := attributes(reply[unix.SizeofNlMsghdr+inetDiagMsgLen:])[inetDiagULPInfo]
	if !ok {
		return nil, errNoDiag
	}
	return info, nil
}

var errNoDiag = errors.New("sock_diag does not report it")

// diagRequest builds a struct inet_diag_req_v2 that names fd's connection.
func diagRequest(fd int) ([]byte, error) {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return nil, os.NewSyscallError("getpeername", err)
	}
	family, src, sport, zone := endpoint(local)
	_, dst, dport, _ := endpoint(peer)
	const length = unix.SizeofNlMsghdr + 56
	b := make([]byte, 0, length)
	b = binary.NativeEndian.AppendUint32(b, length)
	b = binary.NativeEndian.AppendUint16(b, unix.SOCK_DIAG_BY_FAMILY)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port
	b = append(b, family, unix.IPPROTO_TCP, extInfo, 0)
	b = binary.NativeEndian.AppendUint32(b, ^uint32(0)) // any state
	b = binary.BigEndian.AppendUint16(b, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = append(append(b, src[:]...), dst[:]...)
	b = binary.NativeEndian.AppendUint32(b, zone)
	return binary.NativeEndian.AppendUint64(b, ^uint64(0)), nil // INET_DIAG_NOCOOKIE
}

// endpoint splits a socket address; IPv4 takes the first four bytes of addr.
func endpoint(sa unix.Sockaddr) (family uint8, addr [16]byte, port uint16, zone uint32) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		copy(addr[:], sa.Addr[:])
		return unix.AF_INET, addr, uint16(sa.Port), 0
	case *unix.SockaddrInet6:
		return unix.AF_INET6, sa.Addr, uint16(sa.Port), sa.ZoneId
	}
	return unix.AF_UNSPEC, addr, 0, 0
}

// diagExchange sends one request and returns the one message that answers it.
func diagExchange(req []byte) ([]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	if err != nil {
		return nil, os.NewSyscallError("recvfrom", err)
	}
	if n < unix.SizeofNlMsghdr+inetDiagMsgLen || binary.NativeEndian.Uint16(reply[4:]) == unix.NLMSG_ERROR {
		return nil, errNoDiag
	}
	return reply[:n], nil
}

// attributes splits netlink attributes by type, without the flag bits.
func attributes(b []byte) map[uint16][]byte {
	found := map[uint16][]byte{}
	for len(b) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		found[typ] = b[unix.SizeofRtAttr:length]
		b = b[min((length+3)&^3, len(b)):]
	}
	return found
}

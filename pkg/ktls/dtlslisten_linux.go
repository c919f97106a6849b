package ktls

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/ktls/internal/kernel"
)

// listenShared makes the listener's socket. SO_REUSEADDR lets connected ones share its port;
// for each datagram it gets the host's address that it was sent to, since the connected
// socket must answer from there.
func listenShared(ctx context.Context, network, addr string) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(network, _ string, rc syscall.RawConn) error {
		return kernel.OnFD(rc, func(fd int) error { return setListenOptions(fd, network) })
	}}
	conn, err := lc.ListenPacket(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		_ = conn.Close()
		return nil, net.UnknownNetworkError(network)
	}
	return udp, nil
}

// setListenOptions lets connected sockets share the port, and asks for each datagram's destination address.
func setListenOptions(fd int, network string) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if network == "udp6" { // also of a socket for both
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1))
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
}

// receiveFrom waits for a datagram.
func receiveFrom(main *net.UDPConn, buf []byte) (datagram, error) {
	oob := make([]byte, 128)
	n, oobn, _, peer, err := main.ReadMsgUDPAddrPort(buf, oob)
	if err != nil {
		return datagram{}, err
	}
	local := main.LocalAddr().(*net.UDPAddr).AddrPort()
	if to := destination(oob[:oobn]); to.IsValid() && local.Addr().IsUnspecified() {
		local = netip.AddrPortFrom(to.WithZone(peer.Addr().Zone()), local.Port())
	}
	return datagram{unmapped(peer), local, bytes.Clone(buf[:n])}, nil
}

// unmapped gives an IPv4 peer one name, on whichever socket its datagrams arrive.
func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// destination reads IP_PKTINFO or IPV6_PKTINFO: the address that a datagram was sent to.
func destination(oob []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return netip.AddrFrom4([4]byte(m.Data[8:12])) // struct in_pktinfo's ipi_addr
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return netip.AddrFrom16([16]byte(m.Data[:16]))
		}
	}
	return netip.Addr{}
}

// connectShared makes a socket on the listener's port that is connected to a datagram's
// sender. Between bind(2) and connect(2) the kernel may give it anybody's datagrams, which it
// returns; afterwards it gets that peer's alone.
func connectShared(main *net.UDPConn, d datagram) (*net.UDPConn, []datagram, error) {
	dialer := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(d.local), Control: func(_, _ string, rc syscall.RawConn) error {
		return kernel.OnFD(rc, func(fd int) error {
			return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		})
	}}
	conn, err := dialer.Dial("udp", d.peer.String())
	if err != nil {
		return nil, nil, err
	}
	udp := conn.(*net.UDPConn)
	strays, err := queued(udp, d.local)
	if err != nil {
		_ = udp.Close()
		return nil, nil, err
	}
	return udp, strays, nil
}

// queued reads all datagrams that a socket has received so far, without waiting.
func queued(udp *net.UDPConn, local netip.AddrPort) (all []datagram, err error) {
	buf := make([]byte, maxDatagram)
	err = kernel.Control(udp, func(fd int) error {
		for {
			n, from, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				return nil
			case err != nil:
				return os.NewSyscallError("recvfrom", err)
			}
			if peer := unmapped(addrPort(from)); peer.IsValid() {
				all = append(all, datagram{peer, local, bytes.Clone(buf[:n])})
			}
		}
	})
	return all, err
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			addr = addr.WithZone(zoneName(sa.ZoneId))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// zoneName is package net's name of a scope: the interface's, or its number.
func zoneName(index uint32) string {
	if ifi, err := net.InterfaceByIndex(int(index)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(index), 10)
}

// isTransient reports whether an error concerns one peer and not the socket: an ICMP answer
// to an earlier datagram.
func isTransient(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.ENETUNREACH)
}

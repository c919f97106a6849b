//go:build gobpf

package learn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// commonSize is the largest size of struct sock_common, with which struct sock begins.
const commonSize = 152

// identify finds the struct sock of a connected socket.
func (n *learner) identify(e *end) error {
	if err := n.forget(probeSetULP); err != nil {
		return err
	}
	// It may have it already; only the call matters.
	_ = unix.SetsockoptString(e.fd, unix.SOL_TCP, unix.TCP_ULP, "tls")
	s, err := n.last(probeSetULP)
	if err != nil {
		return fmt.Errorf("tcp_set_ulp: %w", err)
	}
	e.sk = s.arg[0]
	return nil
}

// learnSockets: ports, addresses, cookies and namespaces of sockets.
func (n *learner) learnSockets() error {
	mapped := func(c, d byte) netip.Addr { return netip.AddrFrom16(loopback(c, d).As16()) }
	for i := range byte(3) {
		if err := n.sampleSockets(loopback(1+i, 9), loopback(7, 3+i)); err != nil {
			return err
		}
		// IPv4 on an IPv6 socket: two addresses that differ.
		if err := n.sampleSockets(mapped(21+i, 9), mapped(27, 3+i)); err != nil {
			return err
		}
	}
	if err := n.need("sock_common.skc_v6_rcv_saddr", "sock_common.skc_v6_daddr"); err != nil {
		return err
	}
	n.excludeMapped("rcv_saddr")
	n.excludeMapped("daddr")
	n.Layout.Set("sock.__sk_common", 0)
	return errors.Join(n.need("sock_common.skc_num", "sock_common.skc_dport", "sock_common.skc_family",
		"sock_common.skc_rcv_saddr", "sock_common.skc_daddr", "sock_common.skc_cookie"), n.learnNamespace())
}

func (n *learner) sampleSockets(from, to netip.Addr) error {
	k, err := connect(from, to)
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return err
	}
	for _, e := range []*end{k.a, k.b} {
		if err := n.identify(e); err != nil {
			return err
		}
		n.sampleSocket(e)
	}
	return nil
}

func (n *learner) sampleSocket(e *end) {
	m := n.peek(e.sk, commonSize)
	family, prefix := uint16(unix.AF_INET), "sock_common.skc_"
	if e.local.Addr().Is6() {
		family, prefix = unix.AF_INET6, "sock_common.skc_v6_"
	}
	n.note("sock_common.skc_num", m.find16(e.local.Port()))
	n.note("sock_common.skc_dport", m.find(binary.BigEndian.AppendUint16(nil, e.remote.Port()), 2))
	n.note("sock_common.skc_family", m.find16(family))
	n.note(prefix+"rcv_saddr", m.find(e.local.Addr().AsSlice(), 4))
	n.note(prefix+"daddr", m.find(e.remote.Addr().AsSlice(), 4))
	if cookie, err := unix.GetsockoptUint64(e.fd, unix.SOL_SOCKET, unix.SO_COOKIE); err == nil {
		n.note("sock_common.skc_cookie", n.peek(e.sk, commonSize).find64(cookie))
	}
}

// excludeMapped: the kernel keeps an IPv4 address in the IPv6 field as well, as the
// last four bytes.
func (n *learner) excludeMapped(field string) {
	const mapped = 12
	v6 := int(n.Layout.Fields["sock_common.skc_v6_"+field].Offset)
	c := n.found["sock_common.skc_"+field]
	c.remaining = slices.DeleteFunc(c.remaining, func(at int) bool { return at == v6+mapped })
}

// learnNamespace looks for the number of the network namespace, in the current one and
// in a new one.
func (n *learner) learnNamespace() error {
	var places candidates[[2]int]
	for _, unshare := range []bool{false, true} {
		found, err := n.sampleNamespace(unshare)
		if err != nil {
			return err
		}
		places.add(found)
	}
	at, ok := places.only()
	if !ok {
		return fmt.Errorf("network namespace (%d places)", len(places.remaining))
	}
	n.Layout.Set("sock_common.skc_net", at[0])
	n.Layout.Set("net.ns", 0)
	n.Layout.Set("ns_common.inum", at[1])
	return nil
}

func (n *learner) sampleNamespace(unshare bool) (places [][2]int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: a thread in another namespace ends here
		if unshare {
			if err = newNamespace(); err != nil {
				return
			}
		} else {
			defer runtime.UnlockOSThread()
		}
		places, err = n.findNamespace()
	}()
	<-done
	return places, err
}

func (n *learner) findNamespace() (places [][2]int, err error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return nil, os.NewSyscallError("stat", err)
	}
	k, err := connect(loopback(1, 1), loopback(1, 2))
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return nil, err
	}
	if err := n.identify(k.a); err != nil {
		return nil, err
	}
	m := n.peek(k.a.sk, commonSize)
	for _, at := range m.pointers() {
		for _, inum := range n.peek(m.u64(at), 1024).find32(uint32(st.Ino)) {
			places = append(places, [2]int{at, inum})
		}
	}
	return places, nil
}

// newNamespace moves the thread into a network namespace with a loopback.
func newNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return errors.Join(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req))
}

// Package tlsnic lays a cable between two network namespaces of a guest, for tests. At each end is a simulated network
// card that seals and opens TLS records (kmod/tlsnic). It is no vendor's card: what is shown with it is what the kernel
// and a tracer do with a card.
//
//	cable := tlsnic.Lay(t)
//	a, b := cable.Pair(t, tlsnic.Setting{Cipher: ktls.AES128GCM})
//	cable.Fault(t, tlsnic.Drop, 0, 5) // each fifth packet with data on its way to b is lost
package tlsnic

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/kmodtest"
)

// A Cable is a loaded module with both ends up, in a namespace each.
type Cable struct {
	A, B   *End
	module *kmodtest.Module
}

// An End is one network card.
type End struct {
	Name   string     // of its device, tlsnic0 or tlsnic1
	V4, V6 netip.Addr // its addresses
	NetNS  uint64     // the inode of its network namespace, as /proc/PID/ns/net has it
	ns     *os.File
}

// Lay loads the module, with parameters such as "hints=1", and sets both ends up. Everything goes when the test ends; the test fails if the kernel complained
// meanwhile, and is skipped where the module cannot be built.
func Lay(t testing.TB, params ...string) *Cable {
	t.Helper()
	c := &Cable{module: kmodtest.Load(t, "tlsnic", params...)}
	c.A, c.B = newEnd(t, 0), newEnd(t, 1)
	c.Patience(t, time.Second)
	return c
}

// Patience is how long TCP waits at least, in connections made afterwards, until it sends again what was not
// acknowledged: a second, unless a test says otherwise. A busy machine may take longer with a packet that was not lost.
// That ends when a card goes down.
func (c *Cable) Patience(t testing.TB, rtoMin time.Duration) {
	t.Helper()
	c.A.calmTo(t, c.B, rtoMin)
	c.B.calmTo(t, c.A, rtoMin)
}

// calmTo keeps TCP from sending packets twice because an emulated machine was slow, so that what the cards do can be determined
// to the packet: without tail loss probes, and with more patience than 200 ms. That ends when a card goes down.
func (e *End) calmTo(t testing.TB, peer *End, rtoMin time.Duration) {
	t.Helper()
	e.Do(t, func() {
		must(t, os.WriteFile("/proc/sys/net/ipv4/tcp_early_retrans", []byte("0"), 0))
		link, err := netlink.LinkByName(e.Name)
		must(t, err)
		for _, addr := range []netip.Addr{peer.V4, peer.V6} {
			must(t, netlink.RouteReplace(&netlink.Route{
				LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, RtoMin: int(rtoMin.Milliseconds()), RtoMinLock: true,
				Dst: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())},
			}))
		}
	})
}

// Unload removes the module under whatever is open, as if both cards were pulled out.
func (c *Cable) Unload(t testing.TB) { c.module.Unload(t) }

func newEnd(t testing.TB, i int) *End {
	t.Helper()
	e := &End{
		Name: fmt.Sprintf("tlsnic%d", i),
		V4:   netip.AddrFrom4([4]byte{10, 9, 0, byte(i + 1)}),
		V6:   netip.MustParseAddr(fmt.Sprintf("fd09::%d", i+1)),
	}
	link, err := netlink.LinkByName(e.Name)
	must(t, err)
	e.ns = newNetNS(t)
	t.Cleanup(func() { e.ns.Close() })
	var st unix.Stat_t
	must(t, unix.Fstat(int(e.ns.Fd()), &st))
	e.NetNS = st.Ino
	must(t, netlink.LinkSetNsFd(link, int(e.ns.Fd())))
	e.Do(t, func() {
		addAddress(t, link, e.V4, 24)
		addAddress(t, link, e.V6, 64)
	})
	e.Up(t)
	return e
}

func addAddress(t testing.TB, link netlink.Link, addr netip.Addr, bits int) {
	t.Helper()
	a, err := netlink.ParseAddr(fmt.Sprintf("%v/%d", addr, bits))
	must(t, err)
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD // nobody else has it, and looking takes a second
	}
	must(t, netlink.AddrAdd(link, a))
}

func newNetNS(t testing.TB) *os.File {
	t.Helper()
	var ns *os.File
	inNetNS(t, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		ns = f
		return err
	}, func() {})
	return ns
}

// Do runs f in the end's network namespace: sockets made in it belong there. What f starts in goroutines does not run
// there.
func (e *End) Do(t testing.TB, f func()) {
	t.Helper()
	inNetNS(t, func() error { return os.NewSyscallError("setns", unix.Setns(int(e.ns.Fd()), unix.CLONE_NEWNET)) }, f)
}

// inNetNS enters a namespace for the time of f. A thread that does not come back is not used again.
func inNetNS(t testing.TB, enter func() error, f func()) {
	t.Helper()
	runtime.LockOSThread()
	old, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	defer old.Close()
	defer func() {
		if unix.Setns(int(old.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	must(t, enter())
	f()
}

// Up switches the card on.
func (e *End) Up(t testing.TB) { e.setLink(t, netlink.LinkSetUp) }

// Down switches the card off. Connections that it sealed or opened records of go on without it when it is up again.
func (e *End) Down(t testing.TB) { e.setLink(t, netlink.LinkSetDown) }

func (e *End) setLink(t testing.TB, set func(netlink.Link) error) {
	t.Helper()
	e.Do(t, func() {
		link, err := netlink.LinkByName(e.Name)
		must(t, err)
		must(t, set(link))
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

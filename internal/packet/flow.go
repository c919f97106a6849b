package packet

import (
	"net/netip"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// tuple names a connection by its ends in a fixed order. The same loopback
// addresses are in use in every network namespace; others are taken to be the
// same hosts wherever they are seen from.
type tuple struct {
	low, high netip.AddrPort
	netns     uint32
	udp       bool
}

// flow is one connection of TCP, or of UDP, which has no handshake and no numbers. Its directions are numbered by the side that
// sends.
type flow struct {
	tuple
	ends  [2]netip.AddrPort
	socks [2]uint64 // event.Conn.ID of the sockets that were seen, by side
	open  [2]bool   // those that have not closed
	// speaker is the side whose socket reports a direction, plus one: the
	// sender's own or the receiver's, whichever spoke first.
	speaker [2]int
	next    [2]uint32 // the sequence number that comes next, by direction
	gap     [2]uint64 // missing records that no packet has reported, by direction
	tracks  [2][2]track
	begun   bool
	fin     [2]bool
	ended   bool
}

// endpoints are a connection's ends as IP knows them: no mapped addresses, no
// zones, both of one family, and zeros where an address is not known.
func endpoints(c *event.Conn) (local, remote netip.AddrPort) {
	a, b := c.LAddr.Unmap().WithZone(""), c.RAddr.Unmap().WithZone("")
	if a.Is6() || b.Is6() {
		a, b = sixteen(a), sixteen(b)
	}
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	if !b.IsValid() {
		b = netip.IPv4Unspecified()
	}
	return netip.AddrPortFrom(a, c.LPort), netip.AddrPortFrom(b, c.RPort)
}

func sixteen(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return netip.IPv6Unspecified()
	}
	return netip.AddrFrom16(a.As16())
}

// makeTuple also says which side the local end is.
func makeTuple(c *event.Conn, udp bool, local, remote netip.AddrPort) (t tuple, side int) {
	t = tuple{low: local, high: remote, udp: udp}
	if remote.Compare(local) < 0 {
		t.low, t.high, side = remote, local, 1
	}
	if local.Addr().IsLoopback() {
		t.netns = c.NetNS
	}
	return t, side
}

func newFlow(id uint64, t tuple, side int, local, remote netip.AddrPort) *flow {
	f := &flow{tuple: t}
	f.ends[side], f.ends[1-side] = local, remote
	// Numbers that differ from those of the connection before with the same
	// addresses, so that readers see a new one.
	f.next = [2]uint32{uint32(id * 2654435761), uint32(id*2654435761 + 1<<31)}
	return f
}

// client is the side that made the connection. Nothing tells, so it is the one
// with the higher port.
func (f *flow) client() int {
	if f.ends[0].Port() > f.ends[1].Port() {
		return 0
	}
	return 1
}

// mss is how many bytes of data a packet holds (the MSS of RFC 9293 §3.7.1).
func mss(a netip.Addr, mtu int) int {
	if a.Is4() {
		return mtu - ipv4Header - tcpHeader
	}
	return mtu - ipv6Header - tcpHeader
}

// mss is how many bytes of data a packet of the flow holds.
func (f *flow) mss(mtu int) int {
	if f.udp {
		return mss(f.ends[0].Addr(), mtu) + tcpHeader - udpHeader
	}
	return mss(f.ends[0].Addr(), mtu)
}

// speaks reports whether the socket on a side is the one to report a direction,
// and makes it so where no other is.
func (f *flow) speaks(side, d int) bool {
	if f.speaker[d] == 0 {
		f.speaker[d] = side + 1
	}
	return f.speaker[d] == side+1
}

// maxGap keeps a gap of absurd size from turning sequence numbers back.
const maxGap = 1 << 30

// emit numbers a packet of direction d and hands it over.
func (f *flow) emit(p *Packet, d int, emit Emit) error {
	p.Src, p.Dst, p.Side = f.ends[d], f.ends[1-d], d
	if f.udp {
		p.UDP, p.Flags = true, 0
		return emit(p)
	}
	if p.Len() > 0 || p.Flags&FIN != 0 {
		p.Gap, f.gap[d] = f.gap[d], 0
		f.next[d] += uint32(min(p.Gap, maxGap))
	}
	p.Seq = f.next[d]
	f.next[d] += uint32(p.Len())
	if p.Flags&(SYN|FIN) != 0 {
		f.next[d]++
	}
	if p.Flags&ACK != 0 {
		p.Ack = f.next[1-d]
	}
	return emit(p)
}

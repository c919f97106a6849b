package packet

import (
	"encoding/binary"
	"errors"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 20
	udpHeader  = 8
	synOptions = 8

	// The largest scale (RFC 7323 §2.3): nothing here waits for room, and no
	// reader shall think that somebody does.
	windowScale = 14
)

// The Ethernet headers, by sender. The addresses are made up, and say so in the
// second bit. layers.Ethernet would pad short frames, as a card does when it
// sends them.
var ethernet = [2]struct{ v4, v6 []byte }{
	{[]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00}, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd}},
	{[]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd}},
}

// Framer spells packets as Ethernet frames. It is not safe for concurrent use.
type Framer struct {
	buf gopacket.SerializeBuffer
	mtu int
	id  uint16
}

// NewFramer returns a Framer for packets of a Builder with this MTU.
func NewFramer(mtu int) *Framer {
	if mtu == 0 {
		mtu = MaxMTU
	}
	return &Framer{buf: gopacket.NewSerializeBuffer(), mtu: mtu}
}

// Frame returns the frame as far as it was captured. The lengths in its headers
// are true; the checksum of a segment with missing bytes is 0. The bytes are
// valid until the next call.
func (f *Framer) Frame(p *Packet) ([]byte, error) {
	if err := f.buf.Clear(); err != nil {
		return nil, err
	}
	f.id++
	transport, head := f.transport(p), ethernet[p.Side].v4
	ip, network := f.ip(p)
	if p.Src.Addr().Is6() {
		head = ethernet[p.Side].v6
	}
	if err := transport.SetNetworkLayerForChecksum(network); err != nil {
		return nil, err
	}
	// From the innermost on; the lengths of IP are not for gopacket to find out.
	whole := p.Missing == 0
	err := errors.Join(
		gopacket.Payload(p.Payload).SerializeTo(f.buf, gopacket.SerializeOptions{}),
		transport.SerializeTo(f.buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: whole}),
		ip.SerializeTo(f.buf, gopacket.SerializeOptions{ComputeChecksums: true}),
		gopacket.Payload(head).SerializeTo(f.buf, gopacket.SerializeOptions{}))
	return f.buf.Bytes(), err
}

// ip makes the header of the packet's family.
func (f *Framer) ip(p *Packet) (gopacket.SerializableLayer, gopacket.NetworkLayer) {
	length, proto := tcpHeader+p.Len(), layers.IPProtocolTCP
	if p.UDP {
		length, proto = udpHeader+p.Len(), layers.IPProtocolUDP
	}
	if p.Flags&SYN != 0 {
		length += synOptions
	}
	src, dst := p.Src.Addr().AsSlice(), p.Dst.Addr().AsSlice()
	if p.Src.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, IHL: 5, Length: uint16(ipv4Header + length), Id: f.id, Flags: layers.IPv4DontFragment,
			TTL: 64, Protocol: proto, SrcIP: src, DstIP: dst}
		return ip, ip
	}
	ip := &layers.IPv6{Version: 6, Length: uint16(length), HopLimit: 64, NextHeader: proto, SrcIP: src, DstIP: dst}
	return ip, ip
}

// transport is a layer whose checksum counts the addresses.
type transport interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

func (f *Framer) transport(p *Packet) transport {
	if p.UDP {
		return &udp{layers.UDP{SrcPort: layers.UDPPort(p.Src.Port()), DstPort: layers.UDPPort(p.Dst.Port())}, uint16(udpHeader + p.Len())}
	}
	return f.tcp(p)
}

// udp is a header whose length is that of the datagram, captured or not.
type udp struct {
	layers.UDP
	length uint16
}

// SerializeTo implements gopacket.SerializableLayer.
func (u *udp) SerializeTo(b gopacket.SerializeBuffer, o gopacket.SerializeOptions) error {
	u.Length, o.FixLengths = u.length, false
	return u.UDP.SerializeTo(b, o)
}

func (f *Framer) tcp(p *Packet) *layers.TCP {
	tcp := &layers.TCP{SrcPort: layers.TCPPort(p.Src.Port()), DstPort: layers.TCPPort(p.Dst.Port()), Seq: p.Seq, Ack: p.Ack,
		FIN: p.Flags&FIN != 0, SYN: p.Flags&SYN != 0, PSH: p.Flags&PSH != 0, ACK: p.Flags&ACK != 0, Window: 65535}
	if tcp.SYN {
		mss := binary.BigEndian.AppendUint16(nil, uint16(mss(p.Src.Addr(), f.mtu)))
		tcp.Options = []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: mss},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{windowScale}},
		}
	}
	return tcp
}

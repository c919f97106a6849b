package packet

import (
	"encoding/binary"
	"net"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const (
	ethernetHeader = 14
	ipv4Header     = 20
	ipv6Header     = 40
	tcpHeader      = 20

	// The largest scale (RFC 7323 §2.3): nothing here waits for room, and no
	// reader shall think that somebody does.
	windowScale = 14
)

// Hardware addresses are made up, and say so in their second bit.
var hardware = [2]net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}

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
	eth := layers.Ethernet{SrcMAC: hardware[p.Side], DstMAC: hardware[1-p.Side], EthernetType: layers.EthernetTypeIPv4}
	tcp := f.tcp(p)
	length := tcpHeader + p.Len()
	if p.Flags&SYN != 0 {
		length += 8
	}
	all := []gopacket.SerializableLayer{gopacket.Payload(p.Payload), tcp}
	var err error
	if p.Src.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, IHL: 5, Length: uint16(ipv4Header + length), Id: f.id, Flags: layers.IPv4DontFragment,
			TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: p.Src.Addr().AsSlice(), DstIP: p.Dst.Addr().AsSlice()}
		err = tcp.SetNetworkLayerForChecksum(ip)
		all = append(all, ip, &eth)
	} else {
		ip := &layers.IPv6{Version: 6, Length: uint16(length), HopLimit: 64, NextHeader: layers.IPProtocolTCP,
			SrcIP: p.Src.Addr().AsSlice(), DstIP: p.Dst.Addr().AsSlice()}
		err = tcp.SetNetworkLayerForChecksum(ip)
		eth.EthernetType = layers.EthernetTypeIPv6
		all = append(all, ip, &eth)
	}
	if err != nil {
		return nil, err
	}
	return f.serialize(all, p.Missing == 0)
}

// serialize writes the layers from the innermost on.
func (f *Framer) serialize(all []gopacket.SerializableLayer, whole bool) ([]byte, error) {
	for i, l := range all {
		tcp := i == 1
		opts := gopacket.SerializeOptions{FixLengths: tcp, ComputeChecksums: !tcp || whole}
		if err := l.SerializeTo(f.buf, opts); err != nil {
			return nil, err
		}
		f.buf.PushLayer(l.LayerType())
	}
	return f.buf.Bytes(), nil
}

func (f *Framer) tcp(p *Packet) *layers.TCP {
	tcp := &layers.TCP{SrcPort: layers.TCPPort(p.Src.Port()), DstPort: layers.TCPPort(p.Dst.Port()), Seq: p.Seq, Ack: p.Ack,
		FIN: p.Flags&FIN != 0, SYN: p.Flags&SYN != 0, PSH: p.Flags&PSH != 0, ACK: p.Flags&ACK != 0, Window: 65535}
	if tcp.SYN {
		mss := binary.BigEndian.AppendUint16(nil, uint16(room(p.Src.Addr(), f.mtu)))
		tcp.Options = []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: mss},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{windowScale}},
		}
	}
	return tcp
}

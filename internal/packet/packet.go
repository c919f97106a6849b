package packet

import (
	"net/netip"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Flags are those of a TCP header (RFC 9293 §3.1).
type Flags uint8

// The flags that are used.
const (
	FIN Flags = 1 << 0
	SYN Flags = 1 << 1
	PSH Flags = 1 << 3
	ACK Flags = 1 << 4
)

// Packet is one TCP segment, or a UDP datagram.
type Packet struct {
	Src, Dst netip.AddrPort
	// Side is 0 or 1: which end of the connection sends it.
	Side  int
	Flags Flags
	// UDP: it has neither Flags nor Seq and Ack.
	UDP bool
	// Seq and Ack count bytes, the SYN and the FIN, and one for each record
	// that is missing.
	Seq, Ack uint32
	// Payload is what was captured of the segment's bytes. It belongs to the
	// event that the packet was made of.
	Payload []byte
	// Missing counts the bytes that the segment had besides.
	Missing int
	// Mono is the event's time.
	Mono uint64
	// Record is what the segment carries a part of; nil where it carries none.
	Record *event.Record
	// Part and Parts say which of the record's segments this is, from 1 on.
	Part, Parts int
	// Gap counts the records that are missing before this packet, in its
	// direction. Their length is unknown; Seq counts one byte for each.
	Gap uint64
}

// Len is the length of the payload, captured or not.
func (p *Packet) Len() int { return len(p.Payload) + p.Missing }

// Limits of Config.MTU: the least that every IPv4 host must take (RFC 1122
// §3.3.3), and the longest IP packet.
const (
	MinMTU = 576
	MaxMTU = 65535
)

// Config says how a Builder makes packets.
type Config struct {
	// MTU is the longest IP packet in bytes, MaxMTU if 0: then each record is
	// one packet.
	MTU int
	// Acks adds an acknowledgement from the receiver after each record, for
	// programs that wait for it.
	Acks bool
	// EachSocket makes packets of every record. Without it a connection whose
	// two ends are both traced shows each byte once.
	EachSocket bool
}

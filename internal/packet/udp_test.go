package packet

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// TestDatagrams: records of DTLS are UDP, each a packet, with nothing around them, beside a
// connection of TCP with the same ends.
func TestDatagrams(t *testing.T) {
	for _, ends := range [][2]string{{"192.0.2.1", "192.0.2.9"}, {"2001:db8::1", "2001:db8::9"}} {
		c := event.Conn{ID: 1, LAddr: netip.MustParseAddr(ends[0]), RAddr: netip.MustParseAddr(ends[1]), LPort: 4433, RPort: 50000}
		tcp := c
		tcp.ID = 2
		over := func(c event.Conn, v event.Version, d event.Dir, seq uint64, length int, payload string) *event.Record {
			return &event.Record{Conn: c, TLS: event.TLS{Version: v}, Dir: d, Seq: seq, Type: event.ApplicationData, Len: uint32(length), Payload: []byte(payload)}
		}
		b, f := NewBuilder(Config{Acks: true}), NewFramer(0)
		var got []string
		var gaps uint64
		for _, ev := range []event.Event{
			&event.Socket{State: event.SocketOpen, Conn: c, TX: event.TLS{Version: event.DTLS12}},
			over(c, event.DTLS12, event.TX, 1, 5, "hello"),
			over(tcp, 0x0303, event.TX, 0, 3, "tcp"),
			over(c, event.DTLS12, event.RX, 9, 300, "wor"),
			over(c, event.DTLS12, event.RX, 7, 2, "ld"), // late
			over(c, event.DTLS12, event.TX, 3, 1, "!"),  // one is missing
			&event.Socket{State: event.SocketClose, Conn: c, TX: event.TLS{Version: event.DTLS12}, NextTX: 4},
		} {
			if err := b.Event(ev, func(p *Packet) error {
				gaps += p.Gap
				frame, err := f.Frame(p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, udpOf(t, frame, p)...)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"4433>50000 5 hello", "50000>4433 300 wor", "50000>4433 2 ld", "4433>50000 1 !"}
		if len(got) != len(want) {
			t.Fatalf("%s: %q, want %q", ends[0], got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %q, want %q", ends[0], got[i], want[i])
			}
		}
		if gaps != 0 {
			t.Errorf("%s: %d are missing: that is known at the end only", ends[0], gaps)
		}
	}
}

// udpOf reads a frame as a stranger would; nothing of one of TCP.
func udpOf(t *testing.T, frame []byte, p *Packet) []string {
	t.Helper()
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	u, ok := pkt.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if ok != p.UDP {
		t.Fatalf("UDP is %v of %v", ok, pkt)
	}
	if !ok {
		return nil
	}
	if p.Missing == 0 {
		err := u.SetNetworkLayerForChecksum(pkt.NetworkLayer())
		if failed, sum := u.VerifyChecksum(); err != nil || failed != nil || !sum.Valid {
			t.Errorf("checksum of %v: %v, %v, %+v", pkt, err, failed, sum)
		}
	} else if u.Checksum != 0 {
		t.Errorf("a datagram with missing bytes has the checksum %x", u.Checksum)
	}
	return []string{u.SrcPort.String() + ">" + u.DstPort.String() + " " + strconv.Itoa(int(u.Length)-udpHeader) + " " + string(u.Payload)}
}

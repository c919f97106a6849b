package packet

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// TestFrames pins every byte. That the checksums are right is for
// TestRandomConversations to say.
func TestFrames(t *testing.T) {
	v4 := [2]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("192.0.2.9:50000")}
	v6 := [2]netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:443"), netip.MustParseAddrPort("[2001:db8::9]:50000")}
	for name, c := range map[string]struct {
		packet Packet
		want   []string // Ethernet, IP, TCP, data
	}{
		"data": {Packet{Src: v4[0], Dst: v4[1], Flags: PSH | ACK, Seq: 1, Ack: 2, Payload: []byte("hello")},
			[]string{"0200000000020200000000010800", "4500002d0001400040" + "06b6bfc0000201c0000209",
				"01bbc350000000010000000250" + "18ffff22dc0000", "68656c6c6f"}},
		"truncated": {Packet{Src: v6[1], Dst: v6[0], Side: 1, Flags: ACK, Seq: 3, Ack: 4, Payload: []byte("he"), Missing: 98},
			[]string{"02000000000102000000000286dd", "600000000078064020010db800000000000000000000000920010db8000000000000000000000001",
				"c35001bb000000030000000450" + "10ffff00000000", "6865"}},
		"begin": {Packet{Src: v4[1], Dst: v4[0], Side: 1, Flags: SYN, Seq: 7},
			[]string{"0200000000010200000000020800", "4500003000014000" + "4006b6bcc0000209c0000201",
				"c35001bb000000070000000070" + "02ffff3af40000", "020405b40103030e"}},
	} {
		got, err := NewFramer(1500).Frame(&c.packet)
		if want := strings.Join(c.want, ""); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %v\n%x, want\n%s", name, err, got, want)
		}
	}
}

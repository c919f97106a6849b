package compile

import (
	"encoding/binary"
	"net/netip"

	"github.com/cilium/ebpf/asm"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// address tests whether one of the addresses is in one of the networks.
func (c *eventCode) address(t *match.Test, hit, miss, absent label) {
	known := c.label()
	c.load(value, "family")
	c.jump(known, asm.JEq.Imm32(value, int32(event.FamilyINET), ""))
	c.jump(absent, asm.JNE.Imm32(value, int32(event.FamilyINET6), ""))
	c.place(known)
	fields := map[match.Field][]string{match.Addr: {"laddr", "raddr"}, match.LAddr: {"laddr"}, match.RAddr: {"raddr"}}[t.Field]
	for _, field := range fields {
		for _, p := range t.Nets {
			next := c.label()
			if p.Addr().Is4() {
				c.network4(c.ev[field].offset, p, hit, next)
			} else {
				c.network6(c.ev[field].offset, p, hit, next)
			}
			c.place(next)
		}
	}
	c.goTo(miss)
}

// mapped begins an IPv4 address on an IPv6 socket (RFC 4291 section 2.5.5.2).
const mapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"

func (c *eventCode) network4(at int16, p netip.Prefix, hit, differ label) {
	onSix := c.label()
	addr := p.Addr().As4()
	c.load(value, "family")
	c.jump(onSix, asm.JEq.Imm32(value, int32(event.FamilyINET6), ""))
	c.masked(at, addr[:], p.Bits(), differ)
	c.goTo(hit)
	c.place(onSix)
	c.bytes(at, mapped, differ)
	c.masked(at+12, addr[:], p.Bits(), differ)
	c.goTo(hit)
}

func (c *eventCode) network6(at int16, p netip.Prefix, hit, differ label) {
	native := c.label()
	addr := p.Addr().As16()
	c.load(value, "family")
	c.jump(differ, asm.JNE.Imm32(value, int32(event.FamilyINET6), ""))
	c.bytes(at, mapped, native)
	c.goTo(differ)
	c.place(native)
	c.masked(at, addr[:], p.Bits(), differ)
	c.goTo(hit)
}

// masked compares the first bits of an address, four bytes at a time.
func (c *code) masked(at int16, addr []byte, bits int, differ label) {
	for i := 0; i < bits; i += 32 {
		var mask [4]byte
		binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<max(0, 32-(bits-i)))
		ne := binary.NativeEndian
		want := ne.Uint32(addr[i/8:]) & ne.Uint32(mask[:])
		c.emit(asm.LoadMem(value, base, at+int16(i/8), asm.Word), asm.And.Imm32(value, int32(ne.Uint32(mask[:]))))
		c.jump(differ, asm.JNE.Imm32(value, int32(want), ""))
	}
}

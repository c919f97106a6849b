package compile

import (
	"encoding/binary"
	"math"

	"github.com/cilium/ebpf/asm"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// numberFields maps fields that are plain numbers to their names in struct event.
var numberFields = map[match.Field][]string{
	match.Dir: {"dir"}, match.Len: {"len"}, match.Type: {"type"}, match.Seq: {"seq"}, match.Gen: {"gen"}, match.Epoch: {"epoch"},
	match.Op: {"op"}, match.PID: {"pid"}, match.TID: {"tid"}, match.UID: {"uid"}, match.Cgroup: {"cgroup"},
	match.NetNS: {"netns"}, match.Cookie: {"cookie"}, match.Family: {"family"}, match.Port: {"lport", "rport"},
	match.LPort: {"lport"}, match.RPort: {"rport"}, match.Version: {"version"}, match.Cipher: {"cipher"}, match.Mode: {"mode"},
	match.Proto: {"proto"},
}

// leaf compiles one comparison.
func (c *eventCode) leaf(t *match.Test, yes, no label) {
	hit, miss := yes, no
	if t.Op == match.NotIn {
		hit, miss = no, yes
	}
	switch t.Field {
	case match.Payload: // the bit is the whole answer
		c.load(value, "hits")
		c.jump(yes, asm.JSet.Imm32(value, 1<<t.Index, ""))
		c.goTo(no)
	case match.Comm:
		c.comm(t, hit, miss, no)
	case match.Addr, match.LAddr, match.RAddr:
		c.address(t, hit, miss, no)
	case match.Alert, match.AlertLevel, match.Handshake:
		c.control(t, no)
		c.numbers(t, hit)
		c.goTo(miss)
	case match.Event: // here all events are records
		c.emit(asm.Mov.Imm(value, int32(match.KindRecord)))
		c.numbers(t, hit)
		c.goTo(miss)
	case match.Errno: // not for a record; the rest is compiled, because the kernel rejects unreachable code
		c.emit(asm.Mov.Imm(value, 0))
		c.jump(no, asm.JEq.Imm(value, 0, ""))
		c.numbers(t, hit)
		c.goTo(miss)
	case match.Card:
		c.load(value, "card")
		c.jump(no, asm.JEq.Imm32(value, int32(event.CardNotAsked), ""))
		c.numbers(t, hit)
		c.goTo(miss)
	case match.LatQueue, match.LatEncrypt, match.LatPush, match.LatWait, match.LatDecrypt, match.LatDeliver, match.LatTotal:
		c.latency(t.Field, no)
		c.numbers(t, hit)
		c.goTo(miss)
	case match.CallRecords, match.CallTime:
		c.call(t.Field, no)
		c.numbers(t, hit)
		c.goTo(miss)
	default:
		for _, field := range numberFields[t.Field] {
			c.load(value, field)
			c.numbers(t, hit)
		}
		c.goTo(miss)
	}
}

var jumps = [...]asm.JumpOp{
	match.In: asm.JEq, match.NotIn: asm.JEq, match.Less: asm.JLT, match.LessEqual: asm.JLE,
	match.Greater: asm.JGT, match.GreaterEqual: asm.JGE,
}

// numbers jumps to hit if value equals one of the numbers.
func (c *eventCode) numbers(t *match.Test, hit label) {
	for _, n := range t.Nums {
		c.compare(jumps[t.Op], n, hit)
	}
}

// compare compares all 64 bits of value, unsigned.
func (c *code) compare(op asm.JumpOp, n uint64, hit label) {
	if n <= math.MaxInt32 {
		c.jump(hit, op.Imm(value, int32(n), ""))
		return
	}
	c.emit(asm.LoadImm(other, int64(n), asm.DWord))
	c.jump(hit, op.Reg(value, other, ""))
}

// control loads the number of an alert or a handshake message, if it is one.
func (c *eventCode) control(t *match.Test, absent label) {
	is := event.Alert
	if t.Field == match.Handshake {
		is = event.Handshake
	}
	known := c.label()
	c.load(value, "type")
	c.jump(absent, asm.JNE.Imm32(value, int32(is), ""))
	c.load(value, "flags")
	c.jump(known, asm.JSet.Imm32(value, wire.FlagControl, ""))
	c.goTo(absent)
	c.place(known)
	at := c.ev["ctl"].offset // level, description; or message type
	if t.Field == match.Alert {
		at++
	}
	c.emit(asm.LoadMem(value, base, at, asm.Byte))
}

// latency loads a stage, as wire.Span computes it.
func (c *eventCode) latency(f match.Field, absent label) {
	from, to := 0, 3
	if f != match.LatTotal {
		n := int(f - match.LatQueue)
		from, to = n%3, n%3+1
		c.load(value, "dir")
		c.jump(absent, asm.JNE.Imm32(value, int32(n/3), ""))
	}
	stamp := c.ev["stamp"].offset
	c.emit(asm.LoadMem(other, base, stamp+int16(8*from), asm.DWord), asm.LoadMem(value, base, stamp+int16(8*to), asm.DWord))
	c.jump(absent, asm.JEq.Imm(other, 0, ""))
	c.jump(absent, asm.JLE.Reg(value, other, ""))
	c.emit(asm.Sub.Reg(value, other))
}

// call loads a value of the call that returned with the record, as wire.Event.Record does.
func (c *eventCode) call(f match.Field, absent label) {
	c.load(value, "dir")
	c.jump(absent, asm.JEq.Imm32(value, int32(event.TX), ""))
	c.load(value, "flags")
	c.jump(absent, asm.JSet.Imm32(value, wire.FlagReturnLater, ""))
	c.emit(asm.LoadMem(other, base, c.ev["stamp"].offset+8*3, asm.DWord))
	c.jump(absent, asm.JEq.Imm(other, 0, ""))
	c.load(value, "call_records")
	c.jump(absent, asm.JEq.Imm(value, 0, ""))
	if f == match.CallRecords {
		return
	}
	data, begun := c.label(), c.label()
	c.load(value, "type")
	c.jump(data, asm.JEq.Imm32(value, int32(event.ApplicationData), ""))
	c.load(value, "call_records")
	c.jump(absent, asm.JNE.Imm32(value, 1, ""))
	c.emit(asm.LoadMem(value, base, c.ev["stamp"].offset+8, asm.DWord))
	c.goTo(begun)
	c.place(data)
	c.emit(asm.LoadMem(value, base, c.ev["ctl"].offset, asm.DWord))
	c.place(begun)
	c.jump(absent, asm.JEq.Imm(value, 0, ""))
	c.jump(absent, asm.JLE.Reg(other, value, ""))
	c.emit(asm.Sub.Reg(other, value), asm.Mov.Reg(value, other))
}

// comm compares names including the NUL.
func (c *eventCode) comm(t *match.Test, hit, miss, absent label) {
	name := c.ev["comm"]
	c.emit(asm.LoadMem(value, base, name.offset, asm.Byte))
	c.jump(absent, asm.JEq.Imm32(value, 0, ""))
	if t.Op == match.Contains {
		c.commContains(t.Texts[0], name, hit, miss)
		return
	}
	for _, s := range t.Texts {
		next := c.label()
		c.bytes(name.offset, s+"\x00", next)
		c.goTo(hit)
		c.place(next)
	}
	c.goTo(miss)
}

func (c *eventCode) commContains(s string, name slot, hit, miss label) {
	for i := range name.bytes - len(s) + 1 {
		next := c.label()
		c.bytes(name.offset+int16(i), s, next)
		c.goTo(hit)
		c.place(next)
		c.emit(asm.LoadMem(value, base, name.offset+int16(i), asm.Byte))
		c.jump(miss, asm.JEq.Imm32(value, 0, ""))
	}
	c.goTo(miss)
}

// bytes jumps to differ unless s is at this distance from base.
func (c *code) bytes(at int16, s string, differ label) {
	for len(s) > 0 {
		switch {
		case len(s) >= 4 && at%4 == 0:
			c.word(at, s[:4], asm.Word, differ)
			at, s = at+4, s[4:]
		case len(s) >= 2 && at%2 == 0:
			c.word(at, s[:2], asm.Half, differ)
			at, s = at+2, s[2:]
		default:
			c.word(at, s[:1], asm.Byte, differ)
			at, s = at+1, s[1:]
		}
	}
}

func (c *code) word(at int16, s string, size asm.Size, differ label) {
	var b [4]byte
	copy(b[:], s)
	c.emit(asm.LoadMem(value, base, at, size))
	c.jump(differ, asm.JNE.Imm32(value, int32(binary.NativeEndian.Uint32(b[:])), ""))
}

package compile

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"

	"github.com/ktlstop/ktlstop/internal/match"
)

// compileSlices compiles match_slices(look).
func compileSlices(e *match.Expr, look layout) (asm.Instructions, error) {
	c := newCode()
	out := c.label()
	c.emit(asm.Mov.Reg(base, asm.R1), asm.Mov.Imm(result, 0))
	c.jump(out, asm.JEq.Imm(base, 0, ""))
	for _, t := range e.PayloadTests {
		if t.Op != match.Contains {
			c.slice(t, look)
		}
	}
	c.place(out)
	c.emit(asm.Mov.Reg(asm.R0, result), asm.Return())
	return c.finish()
}

func (c *code) slice(t *match.Test, look layout) {
	hit, miss, next := c.label(), c.label(), c.label()
	yes, no := hit, miss
	if t.Op == match.NotIn {
		yes, no = miss, hit
	}
	c.emit(asm.LoadMem(value, base, look["len"].offset, look["len"].size))
	c.jump(miss, asm.JLT.Imm32(value, int32(t.To), ""))
	for _, s := range t.Texts {
		differ := c.label()
		c.bytes(look["data"].offset+int16(t.From), s, differ)
		c.goTo(yes)
		c.place(differ)
	}
	c.goTo(no)
	c.place(hit)
	c.emit(asm.Or.Imm(result, 1<<t.Index))
	c.goTo(next)
	c.place(miss)
	c.place(next)
}

// compileNeedles compiles match_at(low, high, left).
func compileNeedles(e *match.Expr) (asm.Instructions, error) {
	c := newCode()
	c.emit(asm.Mov.Imm(asm.R0, 0))
	for _, t := range e.PayloadTests {
		if t.Op == match.Contains {
			c.needle(t)
		}
	}
	c.emit(asm.Return())
	return c.finish()
}

func (c *code) needle(t *match.Test) {
	next := c.label()
	s := t.Texts[0]
	c.jump(next, asm.JLT.Imm32(asm.R3, int32(len(s)), ""))
	c.half(asm.R1, s[:min(len(s), 8)], next)
	if len(s) > 8 {
		c.half(asm.R2, s[8:], next)
	}
	c.emit(asm.Or.Imm(asm.R0, 1<<t.Index))
	c.place(next)
}

// half jumps to differ unless the register begins with s, of 1 to 8 bytes.
func (c *code) half(r asm.Register, s string, differ label) {
	var want, mask [8]byte
	copy(want[:], s)
	for i := range s {
		mask[i] = 0xff
	}
	ne := binary.NativeEndian
	c.emit(
		asm.LoadImm(asm.R4, int64(ne.Uint64(mask[:])), asm.DWord), asm.And.Reg(asm.R4, r),
		asm.LoadImm(asm.R5, int64(ne.Uint64(want[:])), asm.DWord),
	)
	c.jump(differ, asm.JNE.Reg(asm.R4, asm.R5, ""))
}

// Package compile compiles expressions of --match to BPF instructions. It knows the
// structs of the object and the verifier's rules, and loads nothing.
package compile

import (
	"errors"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/ktlstop/ktlstop/internal/match"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/wire"
)

// Values of bpf/ktls_match.h: the state of a record when the expression is evaluated.
const (
	stageHead = 0
	stageDone = 2
)

// Results of the compiled expression, as bpf/ktls_match.h defines them.
const (
	No  = 0
	Yes = 1
	Ask = 2 // user space, when more is known
)

// Into compiles the expression and puts it into the programs, in place of their stubs.
// Without an expression the stubs stay.
func Into(spec *ebpf.CollectionSpec, e *match.Expr) error {
	if e == nil || e.Root == nil {
		return nil
	}
	ev, err := layoutOf(spec, "event")
	if err != nil {
		return err
	}
	look, err := layoutOf(spec, "match_buffer")
	if err != nil {
		return err
	}
	all, search := payloadBits(e)
	return errors.Join(
		object.Set(spec, "matching", uint32(1)),
		object.Set(spec, "match_payload", all),
		object.Set(spec, "match_search", search),
		install(spec, "match_event", func() (asm.Instructions, error) { return compileEvent(e, ev) }),
		install(spec, "match_slices", func() (asm.Instructions, error) { return compileSlices(e, look) }),
		install(spec, "match_at", func() (asm.Instructions, error) { return compileNeedles(e) }),
	)
}

func install(spec *ebpf.CollectionSpec, function string, compile func() (asm.Instructions, error)) error {
	body, err := compile()
	if err != nil {
		return err
	}
	return replace(spec, function, body)
}

// payloadBits are the bits of all tests of the payload, and of those that
// search it.
func payloadBits(e *match.Expr) (all, search uint32) {
	for _, t := range e.PayloadTests {
		all |= 1 << t.Index
		if t.Op == match.Contains {
			search |= 1 << t.Index
		}
	}
	return all, search
}

// Registers of the compiled functions. R6 to R8 outlive a test.
const (
	base   = asm.R6 // the event, or the plaintext
	stage  = asm.R7
	result = asm.R8
	value  = asm.R1
	other  = asm.R2
)

// eventCode compiles match_event(event, stage).
type eventCode struct {
	*code
	ev layout
}

func compileEvent(e *match.Expr, ev layout) (asm.Instructions, error) {
	c := &eventCode{newCode(), ev}
	no := c.label()
	answer := int32(Yes)
	if len(e.UserSpace()) > 0 {
		answer = Ask
	}
	c.emit(asm.Mov.Reg(base, asm.R1), asm.Mov.Reg32(stage, asm.R2), asm.Mov.Imm(result, answer))
	c.jump(no, asm.JEq.Imm(base, 0, ""))
	for _, n := range e.Conjuncts() {
		if needs := match.NeedsOf(n); needs&match.NeedsUser == 0 {
			c.conjunct(n, needs, no)
		}
	}
	c.emit(asm.Mov.Reg(asm.R0, result), asm.Return())
	c.place(no)
	c.emit(asm.Mov.Imm(asm.R0, No), asm.Return())
	return c.finish()
}

// conjunct jumps to no where n is false. A test whose value is not known yet is
// skipped; if the kernel never learns the value, user space must evaluate it.
func (c *eventCode) conjunct(n match.Node, needs match.Needs, no label) {
	ask, next := c.label(), c.label()
	switch {
	case needs&match.NeedsTimes != 0:
		c.jump(next, asm.JNE.Imm32(stage, stageDone, ""))
	case needs&match.NeedsPlaintext != 0:
		c.jump(next, asm.JEq.Imm32(stage, stageHead, ""))
	}
	if needs&match.NeedsCall != 0 && needs&match.NeedsTimes == 0 {
		c.unlessReceivedBefore(next)
	}
	async := needs&(match.NeedsPlaintext|match.NeedsDecrypt) != 0
	if async {
		c.deferIfAsync(ask)
	}
	c.test(n, next, no)
	if async { // the kernel rejects unreachable code
		c.place(ask)
		c.emit(asm.Mov.Imm(result, Ask))
	}
	c.place(next)
}

// unlessReceivedBefore skips a value of a received record that is known only when its
// call continues or returns.
func (c *eventCode) unlessReceivedBefore(next label) {
	known := c.label()
	c.jump(known, asm.JEq.Imm32(stage, stageDone, ""))
	c.load(value, "dir")
	c.jump(next, asm.JNE.Imm32(value, 0, ""))
	c.place(known)
}

// deferIfAsync: a record that asynchronous crypto opens is complete only in user space.
func (c *eventCode) deferIfAsync(ask label) {
	known := c.label()
	c.load(value, "flags")
	c.emit(asm.And.Imm(value, wire.FlagAsync))
	c.jump(known, asm.JEq.Imm32(value, 0, ""))
	c.load(value, "dir")
	c.jump(ask, asm.JNE.Imm32(value, 0, ""))
	c.place(known)
}

func (c *eventCode) load(r asm.Register, field string) {
	s := c.ev[field]
	c.emit(asm.LoadMem(r, base, s.offset, s.size))
}

// test jumps to yes or to no.
func (c *eventCode) test(n match.Node, yes, no label) {
	switch n := n.(type) {
	case *match.And:
		for _, x := range n.X {
			next := c.label()
			c.test(x, next, no)
			c.place(next)
		}
		c.goTo(yes)
	case *match.Or:
		for _, x := range n.X {
			next := c.label()
			c.test(x, yes, next)
			c.place(next)
		}
		c.goTo(no)
	case *match.Not:
		c.test(n.X, no, yes)
	case *match.Test:
		c.leaf(n, yes, no)
	}
}

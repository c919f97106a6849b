package corpus

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Missing relocates a program against a kernel's types and names the reachable
// instructions whose type is missing. If the condition of a branch is a constant, such
// as that a field exists, only the branch taken is followed. Missing changes the
// program.
func Missing(prog asm.Instructions, kernel *btf.Spec) ([]string, error) {
	var relos []*btf.CORERelocation
	var at []int
	for i := range prog {
		if r := btf.CORERelocationMetadata(&prog[i]); r != nil {
			relos, at = append(relos, r), append(at, i)
		}
	}
	local, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("begin the types: %w", err)
	}
	fixups, err := btf.CORERelocate(relos, []*btf.Spec{kernel}, binary.LittleEndian, local.Add)
	if err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	what := map[int]string{}
	for i := range fixups {
		if err := fixups[i].Apply(&prog[at[i]]); err != nil {
			return nil, fmt.Errorf("relocate %s: %w", relos[i], err)
		}
		if poisoned(prog[at[i]]) {
			what[at[i]] = relos[i].String()
		}
	}
	var missing []string
	for _, i := range reachable(prog) {
		if s, bad := what[i]; bad {
			missing = append(missing, s)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

func poisoned(ins asm.Instruction) bool {
	return ins.Constant == btf.COREBadRelocationSentinel && (ins.IsBuiltinCall() || ins.OpCode.IsDWordLoad())
}

// value is what is known of a register: nothing, or its constant value.
type value struct {
	known bool
	n     int64
}

type registers [11]value

// walk follows a program, branch by branch.
type walk struct {
	prog     asm.Instructions
	index    map[asm.RawInstructionOffset]int
	offset   []asm.RawInstructionOffset
	function map[string]int
	seen     map[int]registers
	todo     []int
}

// reachable returns the indices of the instructions that can be reached.
func reachable(prog asm.Instructions) []int {
	w := &walk{prog: prog, index: map[asm.RawInstructionOffset]int{}, function: map[string]int{}, seen: map[int]registers{}}
	for it := prog.Iterate(); it.Next(); {
		w.index[it.Offset] = it.Index
		w.offset = append(w.offset, it.Offset)
		if name := it.Ins.Symbol(); name != "" {
			w.function[name] = it.Index
		}
	}
	w.visit(0, registers{})
	for len(w.todo) > 0 {
		i := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.step(i, w.seen[i])
	}
	var found []int
	for i := range w.seen {
		found = append(found, i)
	}
	slices.Sort(found)
	return found
}

// visit visits instruction i. A register that had another constant there before becomes
// unknown.
func (w *walk) visit(i int, r registers) {
	old, been := w.seen[i]
	if been {
		for n := range r {
			if old[n] != r[n] {
				r[n] = value{}
			}
		}
		if r == old {
			return
		}
	}
	w.seen[i] = r
	w.todo = append(w.todo, i)
}

func (w *walk) step(i int, r registers) {
	ins := w.prog[i]
	if ref := ins.Reference(); ref != "" {
		if f, ok := w.function[ref]; ok { // called, or passed to bpf_loop
			w.visit(f, registers{})
		}
	}
	op := ins.OpCode
	switch {
	case op.JumpOp() == asm.Exit:
		return
	case op.JumpOp() == asm.Call:
		for n := range 6 {
			r[n] = value{}
		}
	case op.Class().IsJump():
		w.branch(i, ins, r)
		return
	default:
		r.set(ins)
	}
	w.visit(i+1, r)
}

// branch follows a jump to its possible targets.
func (w *walk) branch(i int, ins asm.Instruction, r registers) {
	to := w.index[w.offset[i]+asm.RawInstructionOffset(ins.Offset)+1]
	if ins.OpCode.JumpOp() == asm.Ja {
		w.visit(to, r)
		return
	}
	taken, known := decide(ins, r)
	if !known || taken {
		w.visit(to, r)
	}
	if !known || !taken {
		w.visit(i+1, r)
	}
}

// decide reports whether a jump is taken, if both sides are constants. These are sizes,
// offsets and truth values, for which a comparison of half a register or with a sign
// gives the same result.
func decide(ins asm.Instruction, r registers) (taken, known bool) {
	a, b := r[ins.Dst], value{true, ins.Constant}
	if ins.OpCode.Source() == asm.RegSource {
		b = r[ins.Src]
	}
	if !a.known || !b.known {
		return false, false
	}
	switch ins.OpCode.JumpOp() {
	case asm.JEq:
		return a.n == b.n, true
	case asm.JNE:
		return a.n != b.n, true
	case asm.JGT:
		return uint64(a.n) > uint64(b.n), true
	case asm.JGE:
		return uint64(a.n) >= uint64(b.n), true
	case asm.JLT:
		return uint64(a.n) < uint64(b.n), true
	case asm.JLE:
		return uint64(a.n) <= uint64(b.n), true
	}
	return false, false
}

// set follows constants through moves and simple arithmetic.
func (r *registers) set(ins asm.Instruction) {
	if ins.OpCode.Class().IsStore() {
		return
	}
	dst := &r[ins.Dst]
	src := value{true, ins.Constant}
	switch class := ins.OpCode.Class(); {
	case ins.IsConstantLoad(asm.DWord):
		*dst = src
		return
	case class != asm.ALUClass && class != asm.ALU64Class:
		*dst = value{}
		return
	}
	if ins.OpCode.Source() == asm.RegSource {
		src = r[ins.Src]
	}
	op := ins.OpCode.ALUOp()
	if op == asm.Mov {
		*dst = src
		return
	}
	known := dst.known && src.known
	switch op {
	case asm.And:
		*dst = value{known, dst.n & src.n}
	case asm.Or:
		*dst = value{known, dst.n | src.n}
	case asm.Add:
		*dst = value{known, dst.n + src.n}
	default:
		*dst = value{}
	}
	if !dst.known {
		*dst = value{}
	}
}

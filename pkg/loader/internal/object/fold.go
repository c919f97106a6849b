package object

import (
	"encoding/binary"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// section is where the constants lie.
const section = ".rodata"

// Fold writes the values of the constants into the programs, which must not change
// any more: where a program takes a constant's address and reads what is there into the
// same register, it takes the value. The verifier knows the value either way, and leaves
// out code that nothing leads to, but not what loads it; every hook asks a dozen of them.
func Fold(spec *ebpf.CollectionSpec) {
	constants := slices.Clone(spec.Maps[section].Contents[0].Value.([]byte))
	for _, v := range spec.Variables {
		if v.SectionName == section {
			copy(constants[v.Offset:], v.Value)
		}
	}
	for _, p := range spec.Programs {
		p.Instructions = fold(p.Instructions, constants)
	}
}

// nothing is a jump to the next instruction. It keeps the length of the folded code, so
// that no jump changes; the verifier removes it.
var nothing = asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)}

func fold(old asm.Instructions, constants []byte) asm.Instructions {
	targets := jumpTargets(old)
	out := make(asm.Instructions, 0, len(old))
	for it := old.Iterate(); it.Next(); {
		last := len(out) - 1
		if last < 0 || targets[it.Offset] || !readsConstant(&out[last], it.Ins) {
			out = append(out, *it.Ins)
			continue
		}
		value := valueAt(constants[out[last].Constant>>32:], it.Ins.OpCode.Size())
		out = append(out[:last], constant(&out[last], value), nothing)
	}
	return out
}

// readsConstant reports whether read loads the value at address, which nothing else uses.
func readsConstant(address, read *asm.Instruction) bool {
	return address.IsLoadFromMap() && address.Reference() == section &&
		read.OpCode.Class() == asm.LdXClass && read.OpCode.Mode() == asm.MemMode &&
		read.Src == address.Dst && read.Dst == address.Dst && read.Offset == 0
}

func valueAt(b []byte, size asm.Size) uint64 {
	switch size {
	case asm.Byte:
		return uint64(b[0])
	case asm.Half:
		return uint64(binary.NativeEndian.Uint16(b))
	case asm.Word:
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

// constant replaces address; the load after it becomes nothing.
func constant(address *asm.Instruction, value uint64) asm.Instruction {
	return asm.LoadImm(address.Dst, int64(value), asm.DWord).WithMetadata(address.WithReference("").Metadata)
}

// jumpTargets are the targets of jumps, of the kinds that the compiler generates: it does
// not use 32-bit jumps (gotol).
func jumpTargets(all asm.Instructions) map[asm.RawInstructionOffset]bool {
	targets := map[asm.RawInstructionOffset]bool{}
	for it := all.Iterate(); it.Next(); {
		if isBranch(it.Ins) {
			targets[it.Offset+1+asm.RawInstructionOffset(it.Ins.Offset)] = true
		}
	}
	return targets
}

func isBranch(ins *asm.Instruction) bool {
	if !ins.OpCode.Class().IsJump() {
		return false
	}
	op := ins.OpCode.JumpOp()
	return op != asm.Call && op != asm.Exit
}

package object

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// address is the compiler's code for the address of the constant at an offset.
func address(dst asm.Register, offset uint32) asm.Instruction {
	return asm.LoadMapValue(dst, 0, offset).WithReference(section)
}

func TestFold(t *testing.T) {
	constants := binary.NativeEndian.AppendUint32(nil, 7)
	constants = binary.NativeEndian.AppendUint32(constants, 0xfffffff0)
	constants = binary.NativeEndian.AppendUint64(constants, 0xffff888000000000)
	other := asm.LoadMapValue(asm.R1, 0, 4).WithReference(".bss")
	for _, c := range []struct {
		name      string
		old, want asm.Instructions
	}{
		{"a constant", asm.Instructions{address(asm.R1, 0), asm.LoadMem(asm.R1, asm.R1, 0, asm.Word)},
			asm.Instructions{asm.LoadImm(asm.R1, 7, asm.DWord), nothing}},
		{"a great one keeps its upper half empty", asm.Instructions{address(asm.R2, 4), asm.LoadMem(asm.R2, asm.R2, 0, asm.Word)},
			asm.Instructions{asm.LoadImm(asm.R2, 0xfffffff0, asm.DWord), nothing}},
		{"8 bytes", asm.Instructions{address(asm.R2, 8), asm.LoadMem(asm.R2, asm.R2, 0, asm.DWord)},
			asm.Instructions{asm.LoadImm(asm.R2, -0x778000000000, asm.DWord), nothing}},
		{"a byte of it", asm.Instructions{address(asm.R2, 15), asm.LoadMem(asm.R2, asm.R2, 0, asm.Byte)},
			asm.Instructions{asm.LoadImm(asm.R2, 0xff, asm.DWord), nothing}},
		{"the address stays", asm.Instructions{address(asm.R1, 0), asm.LoadMem(asm.R2, asm.R1, 0, asm.Word)}, nil},
		{"not where it begins", asm.Instructions{address(asm.R1, 0), asm.LoadMem(asm.R1, asm.R1, 4, asm.Word)}, nil},
		{"a variable", asm.Instructions{other, asm.LoadMem(asm.R1, asm.R1, 0, asm.Word)}, nil},
		{"the last instruction", asm.Instructions{address(asm.R1, 0)}, nil},
		{"others jump to the read", asm.Instructions{
			asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Dst: asm.R3, Offset: 2},
			address(asm.R1, 0), asm.LoadMem(asm.R1, asm.R1, 0, asm.Word)}, nil},
		{"others jump behind it", asm.Instructions{
			asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Dst: asm.R3, Offset: 3},
			address(asm.R1, 0), asm.LoadMem(asm.R1, asm.R1, 0, asm.Word), asm.Return()},
			asm.Instructions{asm.Instruction{OpCode: asm.JEq.Op(asm.ImmSource), Dst: asm.R3, Offset: 3},
				asm.LoadImm(asm.R1, 7, asm.DWord), nothing, asm.Return()}},
	} {
		want := c.want
		if want == nil {
			want = c.old
		}
		got := fold(c.old, constants)
		same := func(a, b asm.Instruction) bool {
			return a.OpCode == b.OpCode && a.Dst == b.Dst && a.Src == b.Src && a.Offset == b.Offset && a.Constant == b.Constant
		}
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: got\n%vwant\n%v", c.name, got, want)
		}
	}
}

// Every program keeps its length, so that its jumps keep their targets, and the values
// are those that were set.
func TestFoldTheObject(t *testing.T) {
	spec, err := LoadKtls()
	if err != nil {
		t.Fatal(err)
	}
	before := spec.Copy()
	if err := Set(spec, "snaplen", uint32(4711)); err != nil {
		t.Fatal(err)
	}
	Fold(spec)
	var folded, snaplen int
	for name, p := range spec.Programs {
		if got, want := slots(p), slots(before.Programs[name]); got != want {
			t.Errorf("%s has %d slots, had %d", name, got, want)
		}
		for i := range p.Instructions {
			ins := &p.Instructions[i]
			if ins.OpCode == nothing.OpCode && ins.Offset == 0 {
				folded++
			}
			if ins.IsConstantLoad(asm.DWord) && ins.Constant == 4711 {
				snaplen++
			}
		}
	}
	if folded < 100 || snaplen == 0 {
		t.Errorf("%d slots were emptied, snaplen was written %d times", folded, snaplen)
	}
}

func slots(p *ebpf.ProgramSpec) (n asm.RawInstructionOffset) {
	for it := p.Instructions.Iterate(); it.Next(); {
		n = it.Offset + it.Ins.Width()
	}
	return n
}

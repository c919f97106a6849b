package compile

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// code is a BPF function under construction. Its jumps go to labels.
type code struct {
	insns asm.Instructions
	// where the labels are, in instructions of 8 bytes; -1 until placed.
	labels []int
	jumps  map[int]label // by index of the instruction
	size   int
}

type label int

func newCode() *code { return &code{jumps: map[int]label{}} }

func (c *code) emit(all ...asm.Instruction) {
	for _, ins := range all {
		c.insns = append(c.insns, ins)
		c.size += int(ins.Width())
	}
}

func (c *code) label() label {
	c.labels = append(c.labels, -1)
	return label(len(c.labels) - 1)
}

// place puts a label in front of the next instruction.
func (c *code) place(l label) { c.labels[l] = c.size }

func (c *code) jump(to label, ins asm.Instruction) {
	c.jumps[len(c.insns)] = to
	c.emit(ins)
}

func (c *code) goTo(to label) {
	c.jump(to, asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)})
}

// finish turns labels into distances.
func (c *code) finish() (asm.Instructions, error) {
	at := 0
	for i := range c.insns {
		at += int(c.insns[i].Width())
		l, ok := c.jumps[i]
		if !ok {
			continue
		}
		far := c.labels[l] - at
		if c.labels[l] < 0 || far > math.MaxInt16 {
			return nil, fmt.Errorf("a jump of %d instructions", far)
		}
		c.insns[i].Offset = int16(far)
	}
	return c.insns, nil
}

// replace replaces a function in all programs that have it. The name, the type and the
// source line, which the kernel requires, stay.
func replace(spec *ebpf.CollectionSpec, function string, body asm.Instructions) error {
	found := false
	for _, p := range spec.Programs {
		from, to := extent(p.Instructions, function)
		if from < 0 {
			continue
		}
		found = true
		own := append(asm.Instructions(nil), body...)
		own[0].Metadata = p.Instructions[from].Metadata
		all := append(asm.Instructions(nil), p.Instructions[:from]...)
		p.Instructions = append(append(all, own...), p.Instructions[to:]...)
	}
	if !found {
		return fmt.Errorf("the BPF object has no function %s", function)
	}
	return nil
}

// extent is the range of a function, -1 if it is missing.
func extent(insns asm.Instructions, function string) (from, to int) {
	from = -1
	for i := range insns {
		switch {
		case btf.FuncMetadata(&insns[i]) == nil:
		case from >= 0:
			return from, i
		case insns[i].Symbol() == function:
			from = i
		}
	}
	return from, len(insns)
}

// slot is the position of a field of a C struct.
type slot struct {
	offset int16
	size   asm.Size
	bytes  int
}

// layout is a struct of the BPF object, by the names of its fields.
type layout map[string]slot

func layoutOf(spec *ebpf.CollectionSpec, name string) (layout, error) {
	var s *btf.Struct
	if err := spec.Types.TypeByName(name, &s); err != nil {
		return nil, fmt.Errorf("look up struct %s in the BPF object: %w", name, err)
	}
	l := layout{}
	return l, l.add(s.Members, 0)
}

// add adds the members of a struct at an offset of another. Of a union only the first
// part is added: in an event, the record.
func (l layout) add(members []btf.Member, at uint32) error {
	for _, m := range members {
		at := at + m.Offset.Bytes()
		if u, ok := m.Type.(*btf.Union); ok && m.Name == "" {
			part, ok := btf.UnderlyingType(u.Members[0].Type).(*btf.Struct)
			if !ok {
				return fmt.Errorf("the union in the BPF object's struct begins with %v, not with a struct", u.Members[0].Type)
			}
			if err := l.add(part.Members, at); err != nil {
				return err
			}
			continue
		}
		n, err := btf.Sizeof(m.Type)
		if err != nil {
			return err
		}
		size := map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}[n]
		l[m.Name] = slot{int16(at), size, n}
	}
	return nil
}

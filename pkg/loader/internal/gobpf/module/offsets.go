package module

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Offsets are the positions of the fields that the programs read, in a kernel without
// type information. They replace BTF.
type Offsets struct {
	// Fields are offsets of "struct.member", both named as in ktls_types.h.
	Fields map[string]Place `json:"fields"`
	// Sizes are those of structs whose size the programs use.
	Sizes map[string]uint32 `json:"sizes"`
	// Enums are values of the kernel's enumerators, by "enum.NAME".
	Enums map[string]uint64 `json:"enums"`
}

// Place is an offset in bytes, or, for a bitfield of so many bits, the bit.
type Place struct {
	Offset uint32 `json:"offset"`
	Bit    uint32 `json:"bit,omitempty"`
	Bits   uint32 `json:"bits,omitempty"`
}

// NewOffsets has the offsets that are the same in every kernel.
func NewOffsets() *Offsets {
	// struct iovec is part of the system call interface.
	return &Offsets{Fields: map[string]Place{"iovec.iov_base": {Offset: 0}, "iovec.iov_len": {Offset: 8}},
		Sizes: map[string]uint32{}, Enums: map[string]uint64{}}
}

// Set sets the offset of a field that is not a bitfield.
func (l *Offsets) Set(field string, offset int) { l.Fields[field] = Place{Offset: uint32(offset)} }

// essential is a type's name without its ___flavour.
func essential(name string) string {
	name, _, _ = strings.Cut(name, "___")
	return name
}

// types makes type information of l, for relocation. local are the types as the
// programs declare them; members that are missing in l do not exist.
func (l *Offsets) types(local *btf.Spec, settings map[string]uint64) (*btf.Spec, error) {
	t := target{Offsets: l, locals: map[string][]*btf.Struct{}, made: map[string]*btf.Struct{}}
	for typ, err := range local.All() {
		if err != nil {
			return nil, err
		}
		if s, ok := typ.(*btf.Struct); ok && s.Name != "" {
			t.locals[essential(s.Name)] = append(t.locals[essential(s.Name)], s)
		}
	}
	var all []btf.Type
	for _, name := range l.structs() {
		if len(t.locals[name]) == 0 {
			continue // these programs do not read it
		}
		s, err := t.structOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	all = append(all, l.enums(settings)...)
	b, err := btf.NewBuilder(all, nil)
	if err != nil {
		return nil, fmt.Errorf("make type information: %w", err)
	}
	return b.Spec()
}

func (l *Offsets) structs() []string {
	names := map[string]bool{}
	for field := range l.Fields {
		name, _, _ := strings.Cut(field, ".")
		names[essential(name)] = true
	}
	for name := range l.Sizes {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// enums holds the kernel's enumerators and the settings of bpf/gobpf/settings.h.
func (l *Offsets) enums(settings map[string]uint64) []btf.Type {
	byName := map[string]*btf.Enum{"setting": {Name: "setting", Size: 8}}
	add := func(enum, name string, v uint64) {
		if byName[enum] == nil {
			byName[enum] = &btf.Enum{Name: enum, Size: 8}
		}
		byName[enum].Values = append(byName[enum].Values, btf.EnumValue{Name: name, Value: v})
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		add("setting", "SET_"+name, settings[name])
	}
	for _, key := range slices.Sorted(maps.Keys(l.Enums)) {
		enum, name, _ := strings.Cut(key, ".")
		add(enum, name, l.Enums[key])
	}
	var all []btf.Type
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, byName[name])
	}
	return all
}

// target makes the kernel's form of the structs that the programs declare.
type target struct {
	*Offsets
	locals map[string][]*btf.Struct // by essential name
	made   map[string]*btf.Struct
}

// structOf is the struct of this name with the members in the layout. A struct that is
// not in the layout is as the programs declare it.
func (t *target) structOf(name string) (*btf.Struct, error) {
	if s := t.made[name]; s != nil {
		return s, nil
	}
	s := &btf.Struct{Name: name, Size: t.Sizes[name]}
	t.made[name] = s
	for _, field := range slices.Sorted(maps.Keys(t.Fields)) {
		owner, member, _ := strings.Cut(field, ".")
		if essential(owner) != name {
			continue
		}
		typ, err := t.memberType(owner, member)
		if err != nil {
			return nil, err
		}
		p := t.Fields[field]
		s.Members = append(s.Members, btf.Member{Name: member, Type: typ,
			Offset: btf.Bits(p.Offset*8 + p.Bit), BitfieldSize: btf.Bits(p.Bits)})
		if n, err := btf.Sizeof(typ); err == nil {
			s.Size = max(s.Size, p.Offset+uint32(n))
		}
	}
	return s, nil
}

func (t *target) memberType(owner, member string) (btf.Type, error) {
	locals := slices.Clone(t.locals[essential(owner)])
	slices.SortStableFunc(locals, func(a, b *btf.Struct) int { // the one with exactly this name first
		return object.BoolInt(b.Name == owner) - object.BoolInt(a.Name == owner)
	})
	for _, s := range locals {
		for _, m := range s.Members {
			if m.Name == member {
				return t.asKernel(m.Type)
			}
		}
	}
	return nil, fmt.Errorf("the BPF object reads no %s.%s", owner, member)
}

// asKernel replaces the structs in a member's type by the kernel's.
func (t *target) asKernel(typ btf.Type) (btf.Type, error) {
	switch typ := btf.UnderlyingType(typ).(type) {
	case *btf.Pointer:
		return &btf.Pointer{Target: &btf.Void{}}, nil
	case *btf.Struct:
		if slices.Contains(t.structs(), essential(typ.Name)) {
			return t.structOf(essential(typ.Name))
		}
		members, err := t.membersOf(typ.Members)
		return &btf.Struct{Name: typ.Name, Size: typ.Size, Members: members}, err
	case *btf.Union:
		members, err := t.membersOf(typ.Members)
		return &btf.Union{Name: typ.Name, Size: typ.Size, Members: members}, err
	case *btf.Array:
		if s, ok := btf.UnderlyingType(typ.Type).(*btf.Struct); ok && !slices.Contains(t.structs(), essential(s.Name)) {
			return &btf.Array{Index: typ.Index, Type: typ.Index, Nelems: typ.Nelems}, nil // its elements are not known
		}
		elem, err := t.asKernel(typ.Type)
		return &btf.Array{Index: typ.Index, Type: elem, Nelems: typ.Nelems}, err
	default:
		return typ, nil
	}
}

// membersOf are the members of a type that is not in the layout.
func (t *target) membersOf(local []btf.Member) (members []btf.Member, err error) {
	for _, m := range local {
		if m.Type, err = t.asKernel(m.Type); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return members, nil
}

// relocate relocates a program's instructions.
func relocate(prog *ebpf.ProgramSpec, types *btf.Spec) error {
	var relos []*btf.CORERelocation
	var at []int
	for i := range prog.Instructions {
		if r := btf.CORERelocationMetadata(&prog.Instructions[i]); r != nil {
			relos, at = append(relos, r), append(at, i)
		}
	}
	fixups, err := btf.CORERelocate(relos, []*btf.Spec{types}, prog.ByteOrder, types.TypeID)
	if err != nil {
		return fmt.Errorf("relocate %s: %w", prog.Name, err)
	}
	for i, f := range fixups {
		if err := f.Apply(&prog.Instructions[at[i]]); err != nil {
			return fmt.Errorf("relocate %s: %w", prog.Name, err)
		}
	}
	return nil
}

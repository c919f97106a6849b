// Package corpus tells offline whether the BPF programs fit a kernel: it keeps
// of a kernel's type information (BTF) what they name, relocates them against
// that, and looks whether an instruction that can be reached finds nothing.
package corpus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Extract keeps of the kernel's types what the types of the objects name: the
// same structures with the members of those names, the same enumerations and
// typedefs, and the prototypes of functions that programs call or, as named, are
// attached to. Sizes and offsets stay what they are. kernel is
// the type information of vmlinux and of the modules that matter; functions that
// it lacks are left out, but one of them at least must be there.
func Extract(objects []*btf.Spec, functions []string, kernel ...*btf.Spec) ([]byte, error) {
	x := extractor{names: map[string]bool{}, members: map[string]bool{}, done: map[btf.Type]btf.Type{}}
	for _, object := range objects {
		if err := x.learn(object); err != nil {
			return nil, err
		}
	}
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("begin the types: %w", err)
	}
	functions = slices.Compact(slices.Sorted(slices.Values(functions)))
	if err := belong(functions, kernel); err != nil {
		return nil, err
	}
	names := slices.Concat(x.sorted(), functions)
	for _, spec := range kernel {
		for _, name := range names {
			if err := x.copy(b, spec, name); err != nil {
				return nil, err
			}
		}
	}
	return b.Marshal(nil, nil)
}

// belong looks whether the module that has the functions is there and is this
// kernel's: with another's base, its names are none.
func belong(functions []string, kernel []*btf.Spec) error {
	for _, spec := range kernel {
		for _, name := range functions {
			var f *btf.Func
			if strings.HasPrefix(name, "tls_") && spec.TypeByName(name, &f) == nil {
				return nil
			}
		}
	}
	return errors.New("these types have none of kernel TLS's functions: load the module tls, or name this kernel's tls.ko")
}

type extractor struct {
	names   map[string]bool // of types
	members map[string]bool // of structures and enumerations
	done    map[btf.Type]btf.Type
}

// learn finds out what the object's types name.
func (x *extractor) learn(object *btf.Spec) error {
	for t, err := range object.All() {
		if err != nil {
			return fmt.Errorf("read the object's types: %w", err)
		}
		switch t := t.(type) {
		case *btf.Struct:
			x.learnMembers(t.Name, t.Members)
		case *btf.Union:
			x.learnMembers(t.Name, t.Members)
		case *btf.Enum:
			x.name(t.Name)
			for _, v := range t.Values {
				x.members[v.Name] = true
			}
		case *btf.Typedef:
			x.name(t.Name)
		case *btf.Func:
			if t.Linkage == btf.ExternFunc { // the kernel's, which programs call
				x.name(t.Name)
			}
		}
	}
	return nil
}

// name takes the name of a type; behind ___ stands which layout of it is meant.
func (x *extractor) name(name string) {
	if name, _, _ = strings.Cut(name, "___"); name != "" {
		x.names[name] = true
	}
}

func (x *extractor) learnMembers(name string, members []btf.Member) {
	x.name(name)
	for _, m := range members {
		x.members[m.Name] = true
	}
}

func (x *extractor) sorted() []string {
	var names []string
	for name := range x.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// copy adds all types of a name. A module has its own copies of some of
// vmlinux's.
func (x *extractor) copy(b *btf.Builder, spec *btf.Spec, name string) error {
	found, err := spec.AnyTypesByName(name)
	if err != nil {
		return nil // this kernel has none
	}
	for _, t := range found {
		if t = x.trim(t); t == nil {
			continue
		}
		if _, err := b.Add(t); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
	}
	return nil
}

// trim returns the type without what nobody names.
func (x *extractor) trim(t btf.Type) btf.Type {
	if d, ok := x.done[t]; ok {
		return d
	}
	switch t := t.(type) {
	case *btf.Struct:
		s := &btf.Struct{Name: t.Name, Size: t.Size}
		x.done[t] = s // before its members: they may point back
		s.Members = x.trimMembers(t.Name, t.Members)
		return s
	case *btf.Union:
		u := &btf.Union{Name: t.Name, Size: t.Size}
		x.done[t] = u
		u.Members = x.trimMembers(t.Name, t.Members)
		return u
	case *btf.Pointer:
		p := &btf.Pointer{}
		x.done[t] = p
		p.Target = x.target(t.Target)
		return p
	}
	d := x.trimPlain(t)
	x.done[t] = d
	return d
}

func (x *extractor) trimPlain(t btf.Type) btf.Type {
	switch t := t.(type) {
	case *btf.Array:
		return &btf.Array{Index: x.trim(t.Index), Type: x.trim(t.Type), Nelems: t.Nelems}
	case *btf.Enum:
		e := &btf.Enum{Name: t.Name, Size: t.Size, Signed: t.Signed}
		for _, v := range t.Values {
			if x.members[v.Name] || len(e.Values) == 0 {
				e.Values = append(e.Values, v)
			}
		}
		return e
	case *btf.Func:
		return &btf.Func{Name: t.Name, Type: x.trim(t.Type), Linkage: t.Linkage}
	case *btf.FuncProto:
		p := &btf.FuncProto{Return: x.trim(t.Return)}
		for _, a := range t.Params {
			p.Params = append(p.Params, btf.FuncParam{Name: a.Name, Type: x.trim(a.Type)})
		}
		return p
	case *btf.Typedef:
		return &btf.Typedef{Name: t.Name, Type: x.trim(t.Type)}
	case *btf.Const:
		return x.trim(t.Type)
	case *btf.Volatile:
		return x.trim(t.Type)
	case *btf.Restrict:
		return x.trim(t.Type)
	case *btf.TypeTag:
		return x.trim(t.Type)
	case *btf.Int, *btf.Float, *btf.Fwd, *btf.Void:
		return t.(btf.Type)
	}
	return &btf.Void{} // declarations and variables, which no relocation looks at
}

// trimMembers keeps nothing of a structure that nobody names but its size.
// Those without a name belong to the one they lie in.
func (x *extractor) trimMembers(of string, members []btf.Member) (kept []btf.Member) {
	if of != "" && !x.names[of] {
		return nil
	}
	for _, m := range members {
		if m.Name != "" && !x.members[m.Name] {
			continue
		}
		m.Type = x.trim(m.Type)
		m.Tags = nil
		kept = append(kept, m)
	}
	return kept
}

// target is what a pointer points to: of structures that nobody names the name
// is enough.
func (x *extractor) target(t btf.Type) btf.Type {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		if !x.names[t.Name] {
			return forward(t.Name, btf.FwdStruct)
		}
		return x.trim(t)
	case *btf.Union:
		if !x.names[t.Name] {
			return forward(t.Name, btf.FwdUnion)
		}
		return x.trim(t)
	case *btf.FuncProto:
		return &btf.Void{}
	default:
		return x.trim(t)
	}
}

func forward(name string, kind btf.FwdKind) btf.Type {
	if name == "" {
		return &btf.Void{}
	}
	return &btf.Fwd{Name: name, Kind: kind}
}

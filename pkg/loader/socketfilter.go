package loader

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
)

// SocketFilter is a loaded eBPF program of the type BPF_PROG_TYPE_SOCKET_FILTER,
// which others wrote.
type SocketFilter struct {
	coll *ebpf.Collection
	prog *ebpf.Program
}

// OpenSocketFilter loads a program of an ELF object as clang makes it. An empty
// name stands for the object's only socket filter.
func OpenSocketFilter(object, name string) (*SocketFilter, error) {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, fmt.Errorf("read the BPF object %s: %w", object, err)
	}
	if name, err = chooseFilter(spec, name); err != nil {
		return nil, fmt.Errorf("BPF object %s: %w", object, err)
	}
	maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load the socket filter %s of %s: %w", name, object, err)
	}
	return &SocketFilter{coll, coll.Programs[name]}, nil
}

// chooseFilter finds the program that name means.
func chooseFilter(spec *ebpf.CollectionSpec, name string) (string, error) {
	var filters []string
	for _, n := range slices.Sorted(maps.Keys(spec.Programs)) {
		if spec.Programs[n].Type == ebpf.SocketFilter {
			filters = append(filters, n)
		}
	}
	switch {
	case len(filters) == 0:
		return "", fmt.Errorf("no socket filter in it: a program needs SEC(\"socket\")")
	case name == "" && len(filters) > 1:
		return "", fmt.Errorf("it holds several socket filters, choose one as in OBJ:PROGRAM: %s", strings.Join(filters, ", "))
	case name == "":
		return filters[0], nil
	case !slices.Contains(filters, name):
		return "", fmt.Errorf("no socket filter %q in it, only %s", name, strings.Join(filters, ", "))
	}
	return name, nil
}

// FD is the program's descriptor, for SO_ATTACH_BPF.
func (f *SocketFilter) FD() int { return f.prog.FD() }

// Close lets go of the program; a socket that it is attached to keeps it.
func (f *SocketFilter) Close() { f.coll.Close() }

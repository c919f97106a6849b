//go:build linux && (amd64 || arm64)

package loader

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// OpenSocketFilter loads a socket filter from an ELF object that clang has compiled. object
// is the path of the file, and name that of the program. An empty name means the only
// socket filter of the object; if there are several, the error is ErrAmbiguousFilter. The
// caller must close the filter, which remains usable after Tracer.Close.
func (t *Tracer) OpenSocketFilter(object, name string) (SocketFilter, error) {
	spec, name, err := readFilter(object, name)
	if err != nil {
		return nil, err
	}
	f, err := t.loadFilter(spec, name)
	if err != nil {
		return nil, fmt.Errorf("load the socket filter %s of %s: %w", name, object, err)
	}
	return f, nil
}

// readFilter returns the object without its other programs.
func readFilter(object, name string) (*ebpf.CollectionSpec, string, error) {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, "", fmt.Errorf("read the BPF object %s: %w", object, err)
	}
	if name, err = chooseFilter(spec, name); err != nil {
		return nil, "", fmt.Errorf("BPF object %s: %w", object, err)
	}
	maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
	return spec, name, nil
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
		return "", fmt.Errorf("%w: %s", ErrAmbiguousFilter, strings.Join(filters, ", "))
	case name == "":
		return filters[0], nil
	case !slices.Contains(filters, name):
		return "", fmt.Errorf("no socket filter %q in it, only %s", name, strings.Join(filters, ", "))
	}
	return name, nil
}

// ebpfFilter is a socket filter that cilium/ebpf has loaded.
type ebpfFilter struct {
	coll *ebpf.Collection
	prog *ebpf.Program
}

func (b *ebpfBackend) loadFilter(spec *ebpf.CollectionSpec, name string) (SocketFilter, error) {
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, err
	}
	return &ebpfFilter{coll, coll.Programs[name]}, nil
}

func (f *ebpfFilter) Attach(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, f.prog.FD()); err != nil {
		return fmt.Errorf("attach the socket filter: %w", err)
	}
	return nil
}

func (f *ebpfFilter) Close() { f.coll.Close() }

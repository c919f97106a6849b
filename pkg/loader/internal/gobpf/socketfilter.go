//go:build gobpf

package gobpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/iovisor/gobpf/elf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/gobpf/module"
)

// Filter is a socket filter that gobpf has loaded.
type Filter struct {
	m      *module.Module
	filter *elf.SocketFilter
}

// LoadFilter loads a socket filter for other programs' sockets, by its name in the
// object.
func LoadFilter(spec *ebpf.CollectionSpec, name string) (*Filter, error) {
	m, err := module.Load(spec, module.NewOffsets(), nil, nil)
	if err != nil {
		return nil, err
	}
	return &Filter{m, m.SocketFilter(spec.Programs[name].SectionName)}, nil
}

// Attach puts it on a socket, by its descriptor.
func (f *Filter) Attach(fd int) error {
	if err := elf.AttachSocketFilter(f.filter, fd); err != nil {
		return fmt.Errorf("attach the socket filter: %w", err)
	}
	return nil
}

// Close releases the program; a socket that it is attached to keeps it.
func (f *Filter) Close() { _ = f.m.Close() } // the program ends with ktlstop at the latest

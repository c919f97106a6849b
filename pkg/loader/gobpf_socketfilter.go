//go:build gobpf

package loader

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/iovisor/gobpf/elf"
)

// gobpfFilter is a socket filter that gobpf has loaded.
type gobpfFilter struct {
	m      *module
	filter *elf.SocketFilter
}

func (b *gobpfBackend) loadFilter(spec *ebpf.CollectionSpec, name string) (SocketFilter, error) {
	m, err := loadModuleSpec(spec, newOffsets(), nil, nil)
	if err != nil {
		return nil, err
	}
	return &gobpfFilter{m, m.SocketFilter(spec.Programs[name].SectionName)}, nil
}

func (f *gobpfFilter) Attach(fd int) error {
	if err := elf.AttachSocketFilter(f.filter, fd); err != nil {
		return fmt.Errorf("attach the socket filter: %w", err)
	}
	return nil
}

func (f *gobpfFilter) Close() { _ = f.m.Close() } // the program ends with ktlstop at the latest

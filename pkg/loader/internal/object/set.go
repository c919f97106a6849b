package object

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Set gives a constant of the programs its value, before they are loaded.
func Set(spec *ebpf.CollectionSpec, name string, value any) error {
	v := spec.Variables[name]
	if v == nil {
		return fmt.Errorf("set %s: the BPF object has no such variable", name)
	}
	return v.Set(value)
}

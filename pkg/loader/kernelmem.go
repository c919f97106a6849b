package loader

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// setPageVariables reads the kernel's variables and hands them to the programs
// as constants.
func setPageVariables(spec *ebpf.CollectionSpec) error {
	one := spec.Programs["read_variable"]
	if one == nil {
		return errors.New("the BPF object has no program read_variable")
	}
	prog, err := ebpf.NewProgram(one)
	if err != nil {
		return fmt.Errorf("load read_variable: %w", err)
	}
	defer prog.Close()
	for _, name := range object.PageVariables {
		v, err := readVariable(prog, name)
		if err != nil {
			return err
		}
		if err := object.Set(spec, name, v); err != nil {
			return err
		}
	}
	return nil
}

// variable is struct variable of bpf/ktls_trace.bpf.c.
type variable struct {
	Name  [32]byte
	Value uint64
}

// readVariable reads 8 bytes of the kernel's variable name, by a program that
// runs once. It is quicker than to look through /proc/kallsyms.
func readVariable(prog *ebpf.Program, name string) (uint64, error) {
	in, out := variable{}, variable{}
	copy(in.Name[:len(in.Name)-1], name)
	ret, err := prog.Run(&ebpf.RunOptions{Context: &in, ContextOut: &out})
	if err != nil {
		return 0, fmt.Errorf("run read_variable: %w", err)
	}
	return out.Value, variableError(name, int32(ret))
}

// variableError puts what bpf_kallsyms_lookup_name returned into words.
func variableError(name string, ret int32) error {
	err := syscall.Errno(-ret)
	switch {
	case ret == 0:
		return nil
	case errors.Is(err, syscall.EPERM):
		return &UnsupportedError{What: "the kernel hides its symbols' addresses",
			Hint: "payload needs them: sysctl kernel.kptr_restrict=1 and run as root", Err: err}
	case errors.Is(err, syscall.ENOENT):
		return &UnsupportedError{What: "this kernel has no symbol " + name,
			Hint: "payload needs an x86-64 kernel with CONFIG_DYNAMIC_MEMORY_LAYOUT, which CONFIG_RANDOMIZE_MEMORY selects; trace without payload", Err: err}
	}
	return fmt.Errorf("read the kernel's variable %s: %w", name, err)
}

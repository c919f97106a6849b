//go:build linux && (amd64 || arm64)

package loader

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// setKernelVariables reads the kernel's variables and hands them to the programs
// as constants. Its error is of those that payload needs; without the clock's tick some
// ages are not known.
func setKernelVariables(spec *ebpf.CollectionSpec) error {
	one := spec.Programs["read_variable"]
	if one == nil {
		return errors.New("the BPF object has no program read_variable")
	}
	prog, err := ebpf.NewProgram(one)
	if err != nil {
		return fmt.Errorf("load read_variable: %w", err)
	}
	defer prog.Close()
	if jiffies, err := readVariable(prog, "jiffies_64"); err == nil {
		if err := object.Set(spec, "tick_ns", tickOf(jiffies, Monotonic())); err != nil {
			return err
		}
	}
	return setPages(spec, func(name string) (uint64, error) { return readVariable(prog, name) })
}

// setPages tells the programs how a struct page becomes the address of its page.
func setPages(spec *ebpf.CollectionSpec, read func(variable string) (uint64, error)) error {
	pages, err := object.ReadPages(read)
	if err != nil {
		return pagesError(err)
	}
	return errors.Join(object.Set(spec, object.PageVariables[0], pages.Direct), object.Set(spec, object.PageVariables[1], pages.Structs),
		object.Set(spec, "page_shift", object.PageShift()))
}

// pagesError is an *UnsupportedError in any case: who can do without payload goes on.
func pagesError(err error) error {
	if unsupported := (*UnsupportedError)(nil); errors.As(err, &unsupported) {
		return err
	}
	return &UnsupportedError{What: "the kernel does not tell where its pages lie (" + err.Error() + ")", Hint: "payload needs that; trace without payload", Err: err}
}

// tickOf is how many nanoseconds a jiffy has, by how many there have been up to now
// (CLOCK_MONOTONIC); 0 where that cannot be determined. They are counted from five minutes
// before 2^32 (INITIAL_JIFFIES of the kernel's linux/jiffies.h).
func tickOf(jiffies, now uint64) uint64 {
	const early, near = 300, 100
	var tick uint64
	for _, hz := range []uint64{100, 250, 300, 1000} {
		due := 1<<32 - early*hz + now/1000*hz/1e6
		if max(due, jiffies)-min(due, jiffies) > near {
			continue
		}
		if tick != 0 { // five minutes after the boot all are the same
			return 0
		}
		tick = 1e9 / hz
	}
	return tick
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

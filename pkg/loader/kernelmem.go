package loader

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// Variables of the kernel that translate a struct page to its address (x86-64).
var pageVariables = []string{"page_offset_base", "vmemmap_base"}

// setPageVariables reads the kernel's variables and hands them to the programs
// as constants.
func setPageVariables(spec *ebpf.CollectionSpec) error {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return fmt.Errorf("find the kernel's memory map: %w", err)
	}
	defer f.Close()
	addrs, err := symbols(f, pageVariables)
	if err != nil {
		return err
	}
	values, err := readKernel(spec, addrs)
	if err != nil {
		return err
	}
	for i, name := range pageVariables {
		if err := setVariable(spec, name, values[i]); err != nil {
			return err
		}
	}
	return nil
}

// symbols returns the addresses of names in kallsyms' format.
func symbols(r io.Reader, names []string) ([]uint64, error) {
	addrs := make([]uint64, len(names))
	found := 0
	for s := bufio.NewScanner(r); s.Scan() && found < len(names); {
		fields := strings.Fields(s.Text())
		for i, name := range names {
			if len(fields) < 3 || fields[2] != name || addrs[i] != 0 {
				continue
			}
			a, err := strconv.ParseUint(fields[0], 16, 64)
			if err != nil || a == 0 {
				return nil, &UnsupportedError{What: "the kernel hides its symbols' addresses (/proc/kallsyms)",
					Hint: "payload needs them: sysctl kernel.kptr_restrict=1 and run as root", Err: err}
			}
			addrs[i] = a
			found++
		}
	}
	if found < len(names) {
		return nil, &UnsupportedError{What: fmt.Sprintf("this kernel has no symbols %v", names),
			Hint: "payload is supported on x86-64 only so far; run without --snaplen"}
	}
	return addrs, nil
}

// readKernel reads 8 bytes at each address by a program that runs once.
func readKernel(spec *ebpf.CollectionSpec, addrs []uint64) ([]uint64, error) {
	one := spec.Programs["read_kernel"]
	if one == nil {
		return nil, errors.New("the BPF object has no program read_kernel")
	}
	prog, err := ebpf.NewProgram(one)
	if err != nil {
		return nil, fmt.Errorf("load read_kernel: %w", err)
	}
	defer prog.Close()
	values := make([]uint64, len(addrs))
	for i, a := range addrs {
		ctx := binary.NativeEndian.AppendUint64(nil, a)
		ctx = append(ctx, make([]byte, 8)...)
		out := make([]byte, len(ctx))
		if _, err := prog.Run(&ebpf.RunOptions{Context: ctx, ContextOut: out}); err != nil {
			return nil, fmt.Errorf("run read_kernel: %w", err)
		}
		values[i] = binary.NativeEndian.Uint64(out[8:])
	}
	return values, nil
}

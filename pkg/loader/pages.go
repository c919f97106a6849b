package loader

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// pagesNeed is what a kernel has that tells where its pages lie.
const pagesNeed = "an x86-64 kernel with CONFIG_DYNAMIC_MEMORY_LAYOUT, which CONFIG_RANDOMIZE_MEMORY selects, or an arm64 kernel with CONFIG_VMCORE_INFO"

// setPages tells the programs how a struct page becomes the address of what it describes.
// On x86-64 two variables say it, which change with each boot. On arm64 these are
// constants of the kernel's build, which it writes down for those who read its core dumps.
func setPages(spec *ebpf.CollectionSpec, prog *ebpf.Program) error {
	var bases [len(object.PageVariables)]uint64
	var err error
	for i, name := range object.PageVariables {
		if bases[i], err = readVariable(prog, name); err != nil {
			break
		}
	}
	if errors.Is(err, syscall.ENOENT) {
		if note, e := readNote(prog); e == nil {
			bases, err = armPages(note)
		}
	}
	if err != nil {
		return err
	}
	for i, name := range object.PageVariables {
		if err := object.Set(spec, name, bases[i]); err != nil {
			return err
		}
	}
	return object.Set(spec, "page_shift", uint32(bits.TrailingZeros(uint(object.PageSize))))
}

// maxNote is one page of the smallest size, which the kernel keeps to
// (VMCOREINFO_BYTES of its linux/vmcore_info.h).
const maxNote = 4096

// readNote reads the kernel's note to the readers of its core dumps: lines such as
// NUMBER(VA_BITS)=48.
func readNote(prog *ebpf.Program) (string, error) {
	at, err := readVariable(prog, "vmcoreinfo_data")
	if err != nil {
		return "", err
	}
	var note []byte
	for len(note) < maxNote {
		in, out := variable{Value: at + uint64(len(note))}, variable{}
		ret, err := prog.Run(&ebpf.RunOptions{Context: &in, ContextOut: &out})
		if err != nil {
			return "", fmt.Errorf("run read_variable: %w", err)
		}
		if int32(ret) != 0 {
			return "", fmt.Errorf("read vmcoreinfo: %w", syscall.Errno(-int32(ret)))
		}
		text, _, ended := bytes.Cut(out.Name[:], []byte{0})
		note = append(note, text...)
		if ended {
			break
		}
	}
	return string(note), nil
}

// armPages reads where the direct map and its structs page begin out of an arm64 kernel's
// note (arch_crash_save_vmcoreinfo, page_to_virt): PAGE_OFFSET is the least address of so many bits.
func armPages(note string) (bases [2]uint64, err error) {
	vaBits, err := noteNumber(note, "VA_BITS")
	if err == nil {
		bases[1], err = noteNumber(note, "VMEMMAP_START")
	}
	if err == nil && (vaBits < 32 || vaBits > 56) {
		err = fmt.Errorf("vmcoreinfo has VA_BITS %d", vaBits)
	}
	if err != nil {
		return bases, &UnsupportedError{What: "the kernel does not tell where its pages lie", Hint: "payload needs " + pagesNeed + "; trace without payload", Err: err}
	}
	bases[0] = -(uint64(1) << vaBits)
	return bases, nil
}

// noteNumber is a number of the note, decimal or, with 0x, hexadecimal.
func noteNumber(note, name string) (uint64, error) {
	for line := range strings.Lines(note) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key == "NUMBER("+name+")" {
			return strconv.ParseUint(value, 0, 64)
		}
	}
	return 0, fmt.Errorf("vmcoreinfo has no %s", name)
}

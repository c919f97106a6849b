package corpus

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/internal/bzimage"
)

// Files reads the types of a kernel that need not run: of its image and of its module
// tls, whose file is "" if it is built in. An image is the file in /boot on x86 or arm64,
// a vmlinux, or a copy of /sys/kernel/btf/vmlinux; a module is a tls.ko or a copy of
// /sys/kernel/btf/tls. Each may be compressed.
func Files(image, module string) ([]*btf.Spec, error) {
	raw, err := rawTypes(image)
	if err != nil {
		return nil, err
	}
	kernel, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read the types of %s: %w", image, err)
	}
	if module == "" {
		return []*btf.Spec{kernel}, nil
	}
	if raw, err = rawTypes(module); err != nil {
		return nil, err
	}
	tls, err := btf.LoadSplitSpecFromReader(bytes.NewReader(raw), kernel)
	if err != nil {
		return nil, fmt.Errorf("read the types of %s: %w", module, err)
	}
	return []*btf.Spec{kernel, tls}, nil
}

func rawTypes(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if b, err = unwrap(b); err != nil {
		return nil, fmt.Errorf("find the types in %s: %w", file, err)
	}
	return b, nil
}

var errNoTypes = errors.New("it holds none")

// unwrap removes the layers around type information, one by one.
func unwrap(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0x9f, 0xeb}):
		return b, nil
	case bytes.HasPrefix(b, []byte(elf.ELFMAG)):
		return section(b)
	case isFlat(b):
		return search(b)
	}
	inner, err := bzimage.Unwrap(b)
	if err != nil {
		return nil, err
	}
	return unwrap(inner)
}

// isFlat reports whether b is a kernel in its memory layout, without sections: arm64's
// Image (Documentation/arch/arm64/booting.rst).
func isFlat(b []byte) bool { return len(b) >= 64 && string(b[56:60]) == "ARM\x64" }

// search finds the type information in a kernel without sections by its header: the types
// are at its end, and the strings after them (struct btf_header).
func search(b []byte) ([]byte, error) {
	head := []byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0} // magic, version, flags, its length, where the types are
	for rest := b; ; {
		at := bytes.Index(rest, head)
		if at < 0 || at+24 > len(rest) {
			return nil, errNoTypes
		}
		rest = rest[at:]
		types, strings, length := binary.LittleEndian.Uint32(rest[12:]), binary.LittleEndian.Uint32(rest[16:]), binary.LittleEndian.Uint32(rest[20:])
		if end := 24 + uint64(strings) + uint64(length); types == strings && end <= uint64(len(rest)) {
			return rest[:end], nil
		}
		rest = rest[len(head):]
	}
}

// section returns the type information of a vmlinux or a module. A stripped vmlinux has
// no symbols, which other functions require of an object.
func section(b []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	s := f.Section(".BTF")
	if s == nil {
		return nil, errNoTypes
	}
	return s.Data()
}

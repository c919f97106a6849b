package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// PageSize is the kernel's page size in bytes: 4096, on arm64 also 16384 or 65536.
var PageSize = os.Getpagesize()

// PageShift is the same as a power of two, as the programs have it.
func PageShift() uint32 { return uint32(bits.TrailingZeros(uint(PageSize))) }

// Pages are the addresses that translate a struct page to the address of its page: where
// the direct map begins, and where the structs page of it do.
type Pages struct{ Direct, Structs uint64 }

// PageVariables are the programs' constants with these addresses. On x86-64 the kernel has
// variables of the same names.
var PageVariables = [...]string{"page_offset_base", "vmemmap_base"}

// ReadPages finds the addresses; read reads the kernel's variables.
//
// On x86-64 they change with each boot. On arm64 they are constants of the kernel's build,
// which it writes down for the readers of its core.
func ReadPages(read func(variable string) (uint64, error)) (p Pages, err error) {
	if runtime.GOARCH == "arm64" {
		return armPages("/proc/kcore")
	}
	if p.Direct, err = read(PageVariables[0]); err == nil {
		p.Structs, err = read(PageVariables[1])
	}
	return p, err
}

func armPages(core string) (Pages, error) {
	note, err := coreNote(core)
	if err != nil {
		return Pages{}, fmt.Errorf("find where pages lie: %w", err)
	}
	return notedPages(note)
}

// maxNotes is more than the kernel writes before its core (fs/proc/kcore.c).
const maxNotes = 1 << 16

// coreNote is the kernel's note in its core: lines such as NUMBER(VA_BITS)=48.
func coreNote(file string) (string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(p.Open(), maxNotes))
		if err != nil {
			return "", err
		}
		if text, ok := findNote(b, "VMCOREINFO"); ok {
			return text, nil
		}
	}
	return "", errors.New(file + " has no VMCOREINFO")
}

// findNote walks ELF notes: the lengths of name and text, a type, name and text, each
// padded to four bytes.
func findNote(b []byte, name string) (string, bool) {
	pad := func(n uint32) uint64 { return (uint64(n) + 3) &^ 3 }
	for len(b) >= 12 {
		nameLen, textLen := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		text := 12 + pad(nameLen)
		if text+uint64(textLen) > uint64(len(b)) {
			break
		}
		if string(bytes.TrimRight(b[12:12+nameLen], "\x00")) == name {
			return string(b[text : text+uint64(textLen)]), true
		}
		b = b[min(text+pad(textLen), uint64(len(b))):]
	}
	return "", false
}

// notedPages reads the addresses out of an arm64 kernel's note
// (arch_crash_save_vmcoreinfo, page_to_virt). The direct map begins at the least address
// of so many bits.
func notedPages(note string) (p Pages, err error) {
	vaBits, err := noteNumber(note, "VA_BITS")
	if err == nil {
		p.Structs, err = noteNumber(note, "VMEMMAP_START")
	}
	if err == nil && (vaBits < 32 || vaBits > 56) {
		err = fmt.Errorf("VMCOREINFO has VA_BITS %d", vaBits)
	}
	if err != nil {
		return Pages{}, err
	}
	p.Direct = -(uint64(1) << vaBits)
	return p, nil
}

// noteNumber is a number of the note, decimal or, with 0x, hexadecimal.
func noteNumber(note, name string) (uint64, error) {
	for line := range strings.Lines(note) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if key == "NUMBER("+name+")" {
			return strconv.ParseUint(value, 0, 64)
		}
	}
	return 0, fmt.Errorf("VMCOREINFO has no %s", name)
}

package object

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The relevant part of the kernel's note on arm64.
const armNote = "OSRELEASE=6.12.94+deb13-arm64\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffff800082c1a6f8\nNUMBER(VA_BITS)=48\n" +
	"NUMBER(VMALLOC_START)=0xffff800080000000\nNUMBER(VMEMMAP_START)=0xfffffdffc0000000\nNUMBER(kimage_voffset)=0xffff80003d000000\nNUMBER(PHYS_OFFSET)=0x40000000\n"

func TestNotedPages(t *testing.T) {
	p, err := notedPages(armNote)
	if want := (Pages{0xffff000000000000, 0xfffffdffc0000000}); err != nil || p != want {
		t.Errorf("%x, %v, want %x", p, err, want)
	}
	wide, err := notedPages(strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=52", 1))
	if want := uint64(0xfff0000000000000); err != nil || wide.Direct != want {
		t.Errorf("with 52 bits: %x, %v, want %x", wide, err, want)
	}
}

// With an incomplete note, no memory is read.
func TestNotedPagesUnknown(t *testing.T) {
	for _, note := range []string{
		"", "NUMBER(VA_BITS)=48\n", "NUMBER(VMEMMAP_START)=0xfffffdffc0000000\n",
		strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=64", 1),
		strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=", 1),
		strings.Replace(armNote, "0xfffffdffc0000000", "fffffdffc0000000", 1),
	} {
		if p, err := notedPages(note); err == nil || p != (Pages{}) {
			t.Errorf("%q: %x, %v, want an error", note, p, err)
		}
	}
}

// The beginning of /proc/kcore: notes of other kinds precede the wanted one.
func TestCoreNote(t *testing.T) {
	notes := append(note("CORE", "abc"), note("VMCOREINFO", armNote)...)
	file := filepath.Join(t.TempDir(), "kcore")
	for _, c := range []struct {
		notes []byte
		want  string
	}{{notes, armNote}, {note("CORE", "abc"), ""}, {notes[:len(notes)-8], ""}, {nil, ""}} {
		if err := os.WriteFile(file, core(c.notes), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := coreNote(file)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%d bytes of notes: %q, %v, want %q", len(c.notes), got, err, c.want)
		}
	}
	if _, err := armPages(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("read a file that is not there")
	}
}

func note(name, text string) []byte {
	pad := func(s string) []byte { return append([]byte(s), make([]byte, -len(s)&3)...) }
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(name)+1))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(append(binary.LittleEndian.AppendUint32(b, 0), pad(name+"\x00")...), pad(text)...)
}

// core is an ELF file for arm64 that has only notes.
func core(notes []byte) []byte {
	const headers = 64 + 56
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(elf.EM_AARCH64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	p := elf.Prog64{Type: uint32(elf.PT_NOTE), Off: headers, Filesz: uint64(len(notes))}
	b, _ := binary.Append(nil, binary.LittleEndian, h)
	b, _ = binary.Append(b, binary.LittleEndian, p)
	return append(b, notes...)
}

package loader

import (
	"errors"
	"strings"
	"testing"
)

// The kernel's note as arm64 writes it, as far as it matters here.
const armNote = "OSRELEASE=6.12.94+deb13-arm64\nPAGESIZE=4096\nSYMBOL(init_uts_ns)=ffff800082c1a6f8\nNUMBER(VA_BITS)=48\n" +
	"NUMBER(VMALLOC_START)=0xffff800080000000\nNUMBER(VMEMMAP_START)=0xfffffdffc0000000\nNUMBER(kimage_voffset)=0xffff80003d000000\nNUMBER(PHYS_OFFSET)=0x40000000\n"

func TestArmPages(t *testing.T) {
	bases, err := armPages(armNote)
	if want := [2]uint64{0xffff000000000000, 0xfffffdffc0000000}; err != nil || bases != want {
		t.Errorf("%x, %v, want %x", bases, err, want)
	}
	wide, err := armPages(strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=52", 1))
	if want := uint64(0xfff0000000000000); err != nil || wide[0] != want {
		t.Errorf("with 52 bits: %x, %v, want %x", wide, err, want)
	}
}

// A note that lacks something is no reason to read memory anywhere.
func TestArmPagesUnknown(t *testing.T) {
	for _, note := range []string{
		"", "NUMBER(VA_BITS)=48\n", "NUMBER(VMEMMAP_START)=0xfffffdffc0000000\n",
		strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=64", 1),
		strings.Replace(armNote, "VA_BITS)=48", "VA_BITS)=", 1),
		strings.Replace(armNote, "0xfffffdffc0000000", "fffffdffc0000000", 1),
	} {
		bases, err := armPages(note)
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) {
			t.Errorf("%q: %x, %v, want an UnsupportedError", note, bases, err)
		}
	}
}

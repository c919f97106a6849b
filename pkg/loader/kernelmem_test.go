package loader

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func TestSymbols(t *testing.T) {
	const (
		base = "ffffffff82a3c0d8 D page_offset_base\n"
		vmem = "ffffffff82a3c0e0 D vmemmap_base\n"
		code = "ffffffff81000000 T _text\n"
	)
	fine := []uint64{0xffffffff82a3c0d8, 0xffffffff82a3c0e0}
	for _, c := range []struct {
		name, in string
		want     []uint64
		error    string // empty for none
	}{
		{"fine", code + base + vmem + code, fine, ""},
		{"other order", vmem + code + base, fine, ""},
		{"last line without end", base + strings.TrimSpace(vmem), fine, ""},
		{"of a module", base + "ffffffffc0000000 d vmemmap_base\t[mod]\n", []uint64{fine[0], 0xffffffffc0000000}, ""},
		{"short lines", "\nx\nffff D\n" + base + vmem, fine, ""},
		{"longer names", "1 D page_offset_base2\n1 D my_vmemmap_base\n" + base + vmem, fine, ""},
		{"addresses hidden", "0000000000000000 D page_offset_base\n0000000000000000 D vmemmap_base\n", nil, "kptr_restrict"},
		{"no number", "(null) D page_offset_base\n" + vmem, nil, "hides"},
		{"one is missing", code + base, nil, "no symbols"},
		{"no KASLR variables", code, nil, "no symbols"},
		{"empty", "", nil, "no symbols"},
	} {
		got, err := symbols(strings.NewReader(c.in), pageVariables)
		if c.error == "" {
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %x, %v, want %x", c.name, got, err, c.want)
			}
			continue
		}
		var unsupported *UnsupportedError
		if !errors.As(err, &unsupported) || !strings.Contains(err.Error(), c.error) {
			t.Errorf("%s: %v, want an UnsupportedError with %q", c.name, err, c.error)
		}
	}
}

// What symbols finds goes into the constants of the same names.
func TestPageVariablesAreConstants(t *testing.T) {
	s := object(t)
	for i, name := range pageVariables {
		if err := setVariable(s, name, uint64(i)+1<<40); err != nil {
			t.Error(err)
		}
		expectVariable(t, s, "page variables", name, uint64(i)+1<<40)
	}
}

func TestReadKernelWithoutProgram(t *testing.T) {
	if _, err := readKernel(&ebpf.CollectionSpec{}, []uint64{1}); err == nil {
		t.Error("read the kernel's memory by a program that is not there")
	}
}

package loader

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/objecttest"
)

func TestVariableErrors(t *testing.T) {
	for _, c := range []struct {
		errno syscall.Errno
		error string // empty for none
		lacks bool   // the machine, not ktlstop, is to blame
	}{
		{0, "", false},
		{syscall.EPERM, "kptr_restrict", true},
		{syscall.ENOENT, "no symbol vmemmap_base; payload needs an x86-64 kernel with CONFIG_DYNAMIC_MEMORY_LAYOUT", true},
		{syscall.EFAULT, "bad address", false},
	} {
		err := variableError("vmemmap_base", -int32(c.errno))
		if (err == nil) != (c.error == "") || err != nil && !strings.Contains(err.Error(), c.error) {
			t.Errorf("%v: %v, want an error with %q", c.errno, err, c.error)
		}
		var unsupported *UnsupportedError
		if errors.As(err, &unsupported) != c.lacks {
			t.Errorf("%v: UnsupportedError is %v, want %v", c.errno, !c.lacks, c.lacks)
		}
	}
}

// What is read goes into the constants of the same names, and the names fit.
func TestPageVariablesAreConstants(t *testing.T) {
	s := objecttest.Object(t)
	for i, name := range object.PageVariables {
		if err := object.Set(s, name, uint64(i)+1<<40); err != nil {
			t.Error(err)
		}
		expectVariable(t, s, "page variables", name, uint64(i)+1<<40)
		if len(name) >= len(variable{}.Name) {
			t.Errorf("no room for %s and the byte that ends it", name)
		}
	}
}

func TestPageVariablesWithoutProgram(t *testing.T) {
	if err := setKernelVariables(&ebpf.CollectionSpec{}); err == nil {
		t.Error("read the kernel's memory by a program that is not there")
	}
}

func TestTickOf(t *testing.T) {
	const second = uint64(1e9)
	for _, c := range []struct {
		about        string
		jiffies, now uint64
		want         uint64
	}{
		{"a second after the boot", 1<<32 - 299*250, second, 4e6},
		{"two ticks late", 1<<32 - 299*1000 - 2, second, 1e6},
		{"five minutes after it all are the same", 1 << 32, 300 * second, 0},
		{"after a year", 1<<32 + 250*(31536000-300), 31536000 * second, 4e6},
		{"a hundred", 1<<32 + 100*(7200-300), 7200 * second, 1e7},
		{"a frequency of nobody", 1<<32 + 128*(7200-300), 7200 * second, 0},
	} {
		if got := tickOf(c.jiffies, c.now); got != c.want {
			t.Errorf("%s: %d ns, want %d", c.about, got, c.want)
		}
	}
}

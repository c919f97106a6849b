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
	if err := setPageVariables(&ebpf.CollectionSpec{}); err == nil {
		t.Error("read the kernel's memory by a program that is not there")
	}
}

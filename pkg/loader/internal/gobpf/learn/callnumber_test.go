//go:build gobpf

package learn

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// The end of an arm64 task's stack: syscallno after orig_x0, with 56 bytes after it, and
// the same number elsewhere, after another descriptor.
func TestArmCallNumber(t *testing.T) {
	const fd = 7
	stack := make(memory, 256)
	put := func(at int, before uint64) {
		binary.NativeEndian.PutUint64(stack[at-8:], before)
		binary.NativeEndian.PutUint32(stack[at:], unix.SYS_SENDTO)
		binary.NativeEndian.PutUint32(stack[at+4:], 0xdeadbeef) // nothing clears it
	}
	put(64, fd+1)
	put(200, fd)
	if got := armCallNumber(stack, fd); !slices.Equal(got, []int{56}) {
		t.Errorf("%v, want 56 bytes before the end", got)
	}
	if got := armCallNumber(stack, fd+2); got != nil {
		t.Errorf("found the call of another descriptor at %v", got)
	}
}

//go:build gobpf

package learn

import (
	"slices"
	"testing"
)

// A byte of a pointer that is small in each sample, such as that of a heap at
// 0xc006000000, is not a type.
func TestKindsOfMemory(t *testing.T) {
	single := [][2]byte{{16, 6}, {17, 0}, {43, 6}, {60, 2}, {96, 1}}
	several := [][2]byte{{16, 0}, {17, 0}, {43, 0}, {60, 77}, {96, 0}}
	got := kindsOfMemory(single, several, 72, 40, 40)
	if want := [][3]byte{{16, 6, 0}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if both := kindsOfMemory(single, several, 72, 80); len(both) != 2 {
		t.Errorf("without knowing the pointers: %v", both)
	}
}

package learn

import (
	"slices"
	"testing"
)

func TestMemoryFind(t *testing.T) {
	m := memory{1, 0, 0, 0, 7, 7, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		name      string
		got, want []int
	}{
		{"byte", m.find8(7), []int{4, 5, 8}},
		{"two, aligned", m.find16(0x0707), []int{4}},
		{"two, not aligned", m.find16(0x0007), []int{8}},
		{"four", m.find32(7), []int{8}},
		{"eight", m.find64(7), []int{8}},
		{"at the end", m[:12].find32(7), []int{8}},
		{"beyond the end", m[:11].find32(7), nil},
		{"absent", m.find64(8), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if m.u64(9) != 0 || m.u64(-1) != 0 || m.u32(13) != 0 {
		t.Error("reads beyond the end are not 0")
	}
}

func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples [][]int
		want    int
		ok      bool
	}{
		{"none", nil, 0, false},
		{"one sample proves nothing", [][]int{{4}}, 0, false},
		{"two agree", [][]int{{4, 8}, {8, 12}}, 8, true},
		{"two places are left", [][]int{{4, 8}, {4, 8}}, 0, false},
		{"no place is left", [][]int{{4}, {8}}, 0, false},
		{"a third sample decides", [][]int{{4, 8}, {4, 8}, {4}}, 4, true},
	} {
		var all candidates[int]
		for _, s := range c.samples {
			all.add(s)
		}
		if got, ok := all.only(); got != c.want || ok != c.ok {
			t.Errorf("%s: %d, %v", c.name, got, ok)
		}
	}
}

// Kernels have their data at these addresses, with four and with five levels of page
// tables; small negative numbers and user memory are no kernel addresses.
func TestIsKernel(t *testing.T) {
	for addr, want := range map[uint64]bool{
		0xffff888000000000: true, 0xff11000000000000: true, 0xffffffff82a3c0d8: true,
		0: false, 0x7fff12345678: false, 0xffffffffffffffea: false,
	} {
		if isKernel(addr) != want {
			t.Errorf("%x", addr)
		}
	}
}

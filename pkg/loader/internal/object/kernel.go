package object

import "os"

// PageSize is the kernel's, in bytes: 4096, 16384 or 65536 on arm64.
var PageSize = os.Getpagesize()

// PageVariables are the programs' constants that translate a struct page to its
// address: where the direct map begins, and where the structs page of it do. They have
// the names of the kernel's variables on x86-64.
var PageVariables = [...]string{"page_offset_base", "vmemmap_base"}

// BoolInt is a truth value as the programs have it.
func BoolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

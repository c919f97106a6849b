package object

// PageSize is PAGE_SIZE of bpf/ktls_types.h.
const PageSize = 4096

// PageVariables are the kernel's variables that translate a struct page to its
// address (x86-64), and the programs' constants of the same names.
var PageVariables = [...]string{"page_offset_base", "vmemmap_base"}

// BoolInt is a truth value as the programs have it.
func BoolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

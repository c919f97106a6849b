package object

import "strings"

// twinSuffix names the second copy of a program (HOOK_TWICE in bpf/ktls_trace.bpf.c).
const twinSuffix = "_again"

// Copies names the programs that may be there for one.
func Copies(program string) []string {
	return []string{program, program + twinSuffix}
}

// Original is the program of which name may be a copy.
func Original(name string) string {
	program, _, _ := strings.Cut(name, twinSuffix)
	return program
}

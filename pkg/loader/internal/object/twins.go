package object

import "strings"

// twinSuffix names the second copy of a program (HOOK_TWICE in bpf/ktls_trace.bpf.c).
const twinSuffix = "_again"

// Copies names the possible copies of a program.
func Copies(program string) []string {
	return []string{program, program + twinSuffix}
}

// Original is the program that name may be a copy of.
func Original(name string) string {
	program, _, _ := strings.Cut(name, twinSuffix)
	return program
}

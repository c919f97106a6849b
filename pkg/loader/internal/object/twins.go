package object

import "strings"

// twinSuffix names the second copy of a program, and with a 2 the third (TWIN
// in bpf/ktls_conn.h).
const twinSuffix = "_twin"

// Copies names the programs that may be there for one.
func Copies(program string) []string {
	return []string{program, program + twinSuffix, program + twinSuffix + "2"}
}

// Original is the program of which name may be a copy.
func Original(name string) string {
	program, _, _ := strings.Cut(name, twinSuffix)
	return program
}

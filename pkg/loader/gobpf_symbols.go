//go:build gobpf

package loader

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// kernelSymbols says which of the functions to attach to this kernel has, and
// where its page variables lie (0: unknown).
type kernelSymbols struct {
	functions map[string]bool
	variables map[string]uint64
}

func readKernelSymbols() (*kernelSymbols, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, fmt.Errorf("look up the kernel's functions: %w", err)
	}
	defer f.Close()
	k := &kernelSymbols{functions: map[string]bool{}, variables: map[string]uint64{}}
	wanted := map[string]bool{}
	for _, h := range hooks {
		wanted[h.function] = true
	}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		address, rest, _ := strings.Cut(sc.Text(), " ")
		kind, name, _ := strings.Cut(rest, " ")
		name, _, _ = strings.Cut(name, "\t")
		switch {
		case wanted[name] && (kind == "t" || kind == "T"):
			k.functions[name] = true
		case name == pageVariables[0], name == pageVariables[1]:
			k.variables[name], _ = strconv.ParseUint(address, 16, 64) // 0 if hidden
		}
	}
	return k, sc.Err()
}

//go:build gobpf

package learn

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// Symbols says which of the functions to attach to this kernel has, and the addresses
// of its page variables (0: unknown).
type Symbols struct {
	Functions map[string]bool
	variables map[string]uint64
}

// ReadSymbols looks for these functions, and for the one that learning calls.
func ReadSymbols(functions []string) (*Symbols, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, fmt.Errorf("look up the kernel's functions: %w", err)
	}
	defer f.Close()
	k := &Symbols{Functions: map[string]bool{}, variables: map[string]uint64{}}
	wanted := map[string]bool{probeFunc: true}
	for _, name := range functions {
		wanted[name] = true
	}
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		address, rest, _ := strings.Cut(sc.Text(), " ")
		kind, name, _ := strings.Cut(rest, " ")
		name, _, _ = strings.Cut(name, "\t")
		switch {
		case wanted[name] && (kind == "t" || kind == "T"):
			k.Functions[name] = true
		case name == object.PageVariables[0], name == object.PageVariables[1]:
			k.variables[name], _ = strconv.ParseUint(address, 16, 64) // 0 if hidden
		}
	}
	return k, sc.Err()
}

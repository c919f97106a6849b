package vm

import (
	"context"
	"strings"
)

const kernelUsage = `usage: vmkernel [-update] [SERIES]

Prints the directory in the cache that holds a Debian kernel, as vmlinuz and lib/modules, and fetches it where it is not
there; of a kernel that kernels.txt has for its types the module tls alone. Without a series it prints those there are.

`

// KernelMain is all of the command vmkernel; it returns the exit status.
func KernelMain(args []string) int { return printFound("vmkernel", kernelUsage, 1, kernelDir, args) }

// kernelDir is the directory of a series' kernel; without a series it lists the names of
// all.
func kernelDir(ctx context.Context, operands []string, update bool) (string, error) {
	if len(operands) == 0 {
		var names []string
		for _, s := range Matrix() {
			names = append(names, s.Name)
		}
		return strings.Join(names, "\n"), nil
	}
	s, err := findSeries(operands[0])
	if err != nil {
		return "", err
	}
	k, err := fetchOrCached(ctx, s, update)
	if err != nil {
		return "", err
	}
	return k.dir, nil
}

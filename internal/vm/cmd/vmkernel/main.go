// Vmkernel unpacks stock Debian kernels and prints where they are.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.KernelMain(os.Args[1:])) }

// Kmodbuild builds the project's kernel modules for stock Debian kernels.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.KmodMain(os.Args[1:])) }

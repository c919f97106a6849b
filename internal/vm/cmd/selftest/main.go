// Selftest builds the kernel's own test of its TLS code and prints where the program is.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.SelftestMain(os.Args[1:])) }

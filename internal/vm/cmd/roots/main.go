// Roots unpacks a tree of Debian's programs for the tests and prints the directory.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.RootsMain(os.Args[1:])) }

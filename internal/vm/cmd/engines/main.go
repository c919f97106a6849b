// Engines unpacks and builds servers that accept metrics and logs, and prints the
// directory.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.EnginesMain(os.Args[1:])) }

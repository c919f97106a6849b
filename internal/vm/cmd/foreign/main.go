// Foreign unpacks an OpenSSL newer than the host's and prints the directory.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() { os.Exit(vm.ForeignMain(os.Args[1:])) }

// Vmrun runs a command of this machine on a stock Debian kernel under QEMU.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() {
	vm.Init()
	os.Exit(vm.RunMain(os.Args[1:]))
}

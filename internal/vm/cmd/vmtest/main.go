// Vmtest runs the guest tests of some packages on some stock Debian kernels under QEMU.
package main

import (
	"os"

	"github.com/ktlstop/ktlstop/internal/vm"
)

func main() {
	vm.Init()
	os.Exit(vm.TestKernels(os.Args[1:]))
}

// btfextract writes to standard output what the BPF programs need to know of
// the running kernel's types: some kilobytes of BTF. Load the module tls before.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/corpus"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

func main() {
	if err := extract(); err != nil {
		fmt.Fprintln(os.Stderr, "btfextract:", err)
		os.Exit(1)
	}
}

func extract() error {
	programs, err := object.LoadKtls()
	if err != nil {
		return fmt.Errorf("read the BPF object: %w", err)
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return fmt.Errorf("read the kernel's types: %w", err)
	}
	specs := []*btf.Spec{kernel}
	module, err := btf.LoadKernelModuleSpec("tls")
	switch {
	case err == nil:
		specs = append(specs, module)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read the types of the module tls: %w", err)
	}
	var functions []string
	for _, p := range programs.Programs {
		functions = append(functions, p.AttachTo)
	}
	b, err := corpus.Extract(programs.Types, functions, specs...)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

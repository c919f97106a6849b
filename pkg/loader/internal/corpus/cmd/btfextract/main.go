// btfextract writes the part of a kernel's types that the BPF programs need: some
// kilobytes of BTF.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/ktlstop/ktlstop/pkg/loader/internal/corpus"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

const usage = `usage: btfextract [-o FILE] [IMAGE [MODULE]]

Writes what ktlstop's programs name of a kernel's types: names and layouts of structures, enumerations and functions.
Without files it is the kernel that runs, with the module tls loaded. IMAGE is a kernel from /boot (x86, arm64), a vmlinux with
type information, or a copy of /sys/kernel/btf/vmlinux; MODULE is its tls.ko, or a copy of /sys/kernel/btf/tls. They may
be compressed.

`

func main() {
	flag.Usage = func() { fmt.Fprint(flag.CommandLine.Output(), usage); flag.PrintDefaults() }
	out := flag.String("o", "", "write to `file`, not to standard output")
	flag.Parse()
	if flag.NArg() > 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*out, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "btfextract:", err)
		os.Exit(1)
	}
}

// run writes nothing unless everything is there.
func run(out, image, module string) error {
	b, err := extract(image, module)
	if err != nil {
		return err
	}
	if out != "" {
		return os.WriteFile(out, b, 0o644)
	}
	_, err = os.Stdout.Write(b)
	return err
}

func extract(image, module string) ([]byte, error) {
	var types []*btf.Spec
	var functions []string
	for _, load := range []func() (*ebpf.CollectionSpec, error){object.LoadKtls, object.LoadDoctor} {
		programs, err := load()
		if err != nil {
			return nil, fmt.Errorf("read the BPF object: %w", err)
		}
		types = append(types, programs.Types)
		for _, p := range programs.Programs {
			functions = append(functions, p.AttachTo)
		}
	}
	specs, err := read(image, module)
	if err != nil {
		return nil, err
	}
	return corpus.Extract(types, functions, specs...)
}

func read(image, module string) ([]*btf.Spec, error) {
	if image != "" {
		return corpus.Files(image, module)
	}
	cache := btf.NewCache() // the module's types refer to those of the kernel
	kernel, err := cache.Kernel()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's types: %w", err)
	}
	tls, err := cache.Module("tls")
	if errors.Is(err, fs.ErrNotExist) { // built in, or not loaded, which Extract detects
		return []*btf.Spec{kernel}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the types of the module tls: %w", err)
	}
	return []*btf.Spec{kernel, tls}, nil
}

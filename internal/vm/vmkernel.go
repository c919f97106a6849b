package vm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const kernelUsage = `usage: vmkernel [-update] [SERIES]

Prints the directory in the cache that holds a Debian kernel, as vmlinuz and lib/modules, and fetches it where it is not
there; of a kernel that kernels.txt has for its types the module tls alone. Without a series it prints those there are.

`

// KernelMain is all of the command vmkernel; it returns the exit status.
func KernelMain(args []string) int {
	f := flag.NewFlagSet("vmkernel", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), kernelUsage); f.PrintDefaults() }
	update := f.Bool("update", false, "look for a newer package of the series")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || f.NArg() > 1 {
		return 2
	}
	if f.NArg() == 0 {
		for _, s := range Matrix() {
			fmt.Println(s.Name)
		}
		return 0
	}
	if err := printKernel(f.Arg(0), *update); err != nil {
		fmt.Fprintln(os.Stderr, "vmkernel:", err)
		return 1
	}
	return 0
}

// printKernel takes as long as the network does; a signal ends it, and no half kernel is left.
func printKernel(series string, update bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	s, err := findSeries(series)
	if err != nil {
		return err
	}
	k, err := fetchOrCached(ctx, s, update)
	if err != nil {
		return err
	}
	fmt.Println(k.dir)
	return nil
}

package vm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
)

const kmodUsage = `usage: kmodbuild [flags] [SERIES ...]

Builds every kernel module below a directory for stock Debian kernels, with type information, as OUT/SERIES/NAME.ko. Each
is built once and then kept in the cache. Where Debian's lists lack a kernel's headers, OUT/SERIES/missing says so.

`

// missingNote is the file that replaces modules that cannot be built; internal/kmodtest reads it.
const missingNote = "missing"

// KmodMain is all of the command kmodbuild; it returns the exit status.
func KmodMain(args []string) int {
	f := flag.NewFlagSet("kmodbuild", flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), kmodUsage); f.PrintDefaults() }
	src := f.String("src", "kmod", "`directory` with a folder for each module")
	out := f.String("o", "bin/kmod", "`directory` for what is built")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := buildModules(ctx, *src, *out, f.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "kmodbuild:", err)
		return 1
	}
	return 0
}

// buildModules builds for the named series, or for those that run all tests.
func buildModules(ctx context.Context, src, out string, series []string) error {
	modules, err := findModules(src)
	if err != nil {
		return err
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if len(series) == 0 {
		series = kernelNames(full, partly)
	}
	for _, name := range series {
		k, err := Fetch(ctx, name, false)
		if err != nil {
			return err
		}
		dir := k.arch().buildDir(cache)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := buildFor(ctx, dir, k, modules, filepath.Join(out, name)); err != nil {
			return fmt.Errorf("modules for kernel %s: %w", k.Release, err)
		}
	}
	return nil
}

// buildFor writes to out either all modules or the note that says why there are none.
func buildFor(ctx context.Context, cache string, k *Kernel, modules []moduleSource, out string) error {
	lock, err := lockCache(cache)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	note := filepath.Join(out, missingNote)
	var built []string
	for _, m := range modules {
		ko, err := m.builtFor(ctx, cache, k)
		if errors.Is(err, errNoHeaders) {
			progressf("no modules for %s: %v; if there is a newer one: bin/vmrun -kernel %s -update -- true", k.Release, err, k.Series)
			return errors.Join(removeStale(out, nil), replaceFile(note, []byte(err.Error()+"\n")))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if err := copyFile(ko, filepath.Join(out, m.name+".ko")); err != nil {
			return err
		}
		built = append(built, m.name+".ko")
	}
	return removeStale(out, built)
}

// removeStale removes files of an earlier build: modules that no longer exist, and the note.
func removeStale(out string, built []string) error {
	files, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	for _, f := range files {
		if !slices.Contains(built, f.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(out, f.Name())))
		}
	}
	return err
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return replaceFile(to, b)
}

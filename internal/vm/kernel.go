package vm

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A Kernel is a stock kernel unpacked in the cache.
type Kernel struct {
	Series  string // "6.1"
	Release string // "6.1.0-50-amd64", as uname -r prints it
	dir     string
}

func (k *Kernel) arch() *arch { return archOf(k.Release) }

// Image is the file to boot: a bzImage, or its equivalent on other processors.
func (k *Kernel) Image() string { return filepath.Join(k.dir, "vmlinuz") }

// Modules is the directory for /lib/modules/RELEASE.
func (k *Kernel) Modules() string { return filepath.Join(k.dir, "lib/modules", k.Release) }

// Fetch returns the kernel of a series to boot, from the cache if it is there. With update it looks
// on the mirror for a newer one.
func Fetch(ctx context.Context, series string, update bool) (*Kernel, error) {
	s, err := findSeries(series)
	if err != nil {
		return nil, err
	}
	if !s.boots() {
		return nil, fmt.Errorf("kernel %s cannot be booted: kernels.txt has it for its types only", series)
	}
	k, err := fetchOrCached(ctx, s, update)
	if err == nil {
		_, err = rootFor(ctx, k.arch()) // so that the guest's time is not spent on it
	}
	return k, err
}

func fetchOrCached(ctx context.Context, s Series, update bool) (*Kernel, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	if k, ok := cached(cache, s); ok && !update {
		return k, nil
	}
	lock, err := lockCache(cache)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if k, ok := cached(cache, s); ok && !update { // another run fetched it meanwhile
		return k, nil
	}
	return fetch(ctx, cache, s)
}

// cached reads the release that a series stands for. The note is written last, so the kernel that
// it names is complete, unless it was kept only for its types.
func cached(cache string, s Series) (*Kernel, bool) {
	note, err := os.ReadFile(filepath.Join(cache, "series", s.Name))
	if err != nil {
		return nil, false
	}
	k := kernelIn(cache, s.Name, strings.TrimSpace(string(note)))
	return k, k.serves(s.boots())
}

// serves reports whether the kernel is there, with its modules if it is to be booted.
func (k *Kernel) serves(boots bool) bool {
	if !exists(k.Image()) || !boots {
		return exists(k.Image())
	}
	deps, err := k.readDeps()
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(deps.closure(bootModules), func(file string) bool { return !exists(filepath.Join(k.Modules(), file)) })
}

func kernelIn(cache, series, release string) *Kernel {
	return &Kernel{series, release, filepath.Join(cache, "kernels", release)}
}

func fetch(ctx context.Context, cache string, s Series) (*Kernel, error) {
	if err := needPrograms(ctx, fetchPrograms); err != nil {
		return nil, err
	}
	progressf("looking for kernel %s in %s", s.Name, strings.Join(s.Suites, ", "))
	a := s.apt(cache)
	if err := a.setup(ctx, s); err != nil {
		return nil, err
	}
	pkgs, err := a.packages(ctx, s.ending())
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", s.Name, err)
	}
	c, err := choose(s, pkgs)
	if err != nil {
		return nil, err
	}
	k := kernelIn(cache, s.Name, c.release)
	if !k.serves(s.boots()) {
		if err := install(ctx, a, c, k, s.boots()); err != nil {
			return nil, err
		}
	}
	return k, replaceFile(filepath.Join(cache, "series", s.Name), []byte(c.release+"\n"))
}

// install downloads and unpacks a kernel in a temporary directory and then renames it.
func install(ctx context.Context, a apt, c candidate, k *Kernel, boots bool) error {
	if err := os.MkdirAll(filepath.Dir(k.dir), 0o755); err != nil {
		return err
	}
	leftovers, _ := filepath.Glob(filepath.Join(filepath.Dir(k.dir), ".new-*")) // of runs that were killed
	for _, dir := range leftovers {
		os.RemoveAll(dir)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(k.dir), ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	debs, err := a.download(ctx, tmp, c.pkgs)
	if err != nil {
		return err
	}
	progressf("unpacking %s", c.release)
	root := filepath.Join(tmp, "root")
	for _, deb := range debs {
		if err := run(ctx, "dpkg", "-x", deb, root); err != nil {
			return err
		}
	}
	unpacked := &Kernel{k.Series, k.Release, root}
	if err := unpacked.arrange(ctx); err != nil {
		return err
	}
	if !boots {
		if err := unpacked.leaveTypes(); err != nil {
			return err
		}
	}
	os.RemoveAll(k.dir) // an interrupted run may have left one
	return os.Rename(root, k.dir)
}

// arrange gives every kernel the same layout: vmlinuz, and lib/modules/RELEASE with modules.dep.
func (k *Kernel) arrange(ctx context.Context) error {
	if _, err := os.Stat(k.Modules()); err != nil { // from 7.2 on the files are under usr/lib
		if err := os.MkdirAll(filepath.Dir(k.Modules()), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(k.dir, "usr/lib/modules", k.Release), k.Modules()); err != nil {
			return err
		}
	}
	// Some versions of depmod look below usr/lib, regardless of the given directory.
	os.RemoveAll(filepath.Join(k.dir, "usr"))
	if err := os.Mkdir(filepath.Join(k.dir, "usr"), 0o755); err != nil {
		return err
	}
	if err := os.Symlink("../lib", filepath.Join(k.dir, "usr/lib")); err != nil {
		return err
	}
	if err := k.depmod(ctx); err != nil {
		return err
	}
	if err := k.unpackModules(ctx); err != nil {
		return err
	}
	return k.moveImage()
}

// leaveTypes removes all modules but tls: without them a kernel takes a tenth of the space.
func (k *Kernel) leaveTypes() error {
	return filepath.WalkDir(k.Modules(), func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".ko") || moduleName(file) == "tls" {
			return err
		}
		return os.Remove(file)
	})
}

func (k *Kernel) moveImage() error {
	for _, path := range []string{"boot/vmlinuz-" + k.Release, "lib/modules/" + k.Release + "/vmlinuz"} {
		if os.Rename(filepath.Join(k.dir, path), k.Image()) == nil {
			return nil
		}
	}
	return fmt.Errorf("the packages of %s hold no vmlinuz", k.Release)
}

func (k *Kernel) depmod(ctx context.Context) error {
	return run(ctx, "depmod", "-b", k.dir, k.Release)
}

// unpackModules decompresses the modules that every guest loads, which takes an emulated guest
// long.
func (k *Kernel) unpackModules(ctx context.Context) error {
	deps, err := k.readDeps()
	if err != nil {
		return err
	}
	changed := false
	for _, path := range deps.closure(append(bootModules, guestModules...)) {
		if !strings.HasSuffix(path, ".xz") {
			continue
		}
		changed = true
		if err := run(ctx, "xz", "-d", filepath.Join(k.Modules(), path)); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return k.depmod(ctx)
}

func run(ctx context.Context, name string, args ...string) error {
	if path := lookPath(name); path != "" {
		name = path
	}
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

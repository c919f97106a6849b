package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/internal/bzimage"
)

// errNoHeaders is returned for a kernel whose headers are in no list of Debian's (any longer): no
// module can be built for it.
var errNoHeaders = errors.New("Debian's lists have no headers of this kernel")

// missingFor is how long missing headers are not looked up again.
const missingFor = 24 * time.Hour

// headersDir is the directory of a kernel's headers in the build root.
func headersDir(k *Kernel) string { return "/usr/src/linux-headers-" + k.Release }

// bareVmlinux is the kernel that a module's types refer to, under a name that the kernel's
// makefiles do not look for.
const bareVmlinux = "vmlinux.types"

// makesTypes reports whether the kernel's makefiles can make a module's types themselves. Debian's
// package of 6.1 has no resolve_btfids; with a vmlinux the build would fail without it.
func (b *buildRoot) makesTypes(k *Kernel) bool {
	return exists(filepath.Join(b.dir, headersDir(k), "vmlinux"))
}

// knownMissing returns errNoHeaders if the headers were found missing not long ago.
func knownMissing(cache string, k *Kernel) error {
	info, err := os.Stat(missingFile(cache, k))
	if err != nil || time.Since(info.ModTime()) > missingFor {
		return nil
	}
	return noHeaders(k)
}

func missingFile(cache string, k *Kernel) string { return filepath.Join(cache, "missing", k.Release) }

func noHeaders(k *Kernel) error {
	return fmt.Errorf("%w, linux-headers-%s", errNoHeaders, k.Release)
}

// addHeaders puts a kernel's headers into the root, unless they are there. They must be of exactly
// this release: with others, the kernel would refuse the module.
func (b *buildRoot) addHeaders(ctx context.Context, cache string, k *Kernel) error {
	if b.makesTypes(k) || exists(filepath.Join(b.dir, headersDir(k), bareVmlinux)) {
		return nil
	}
	s, err := findSeries(k.Series)
	if err != nil {
		return err
	}
	a := s.apt(filepath.Dir(cache))
	if err := a.setup(ctx, s); err != nil {
		return err
	}
	names, err := a.headerNames(ctx, k)
	if errors.Is(err, errNoHeaders) {
		err = errors.Join(err, replaceFile(missingFile(cache, k), nil))
	}
	if err != nil {
		return err
	}
	pkgs, err := a.newest(ctx, names...)
	if err != nil {
		return err
	}
	progressf("fetching the headers of %s", k.Release)
	debs := []source{{a, pkgs}}
	if !k.arch().ownRoot() { // the programs of the kernel's build are for the processor that builds
		here := Series{Name: s.number() + "-" + runtime.GOARCH, Suites: s.Suites}
		own := here.apt(filepath.Dir(cache))
		if err := own.setup(ctx, here); err != nil {
			return err
		}
		programs, err := own.newest(ctx, names[2])
		if err != nil {
			return err
		}
		debs = []source{{a, pkgs[:2]}, {own, programs}}
	}
	if err := b.unpackHeaders(ctx, k, debs); err != nil {
		return err
	}
	return b.addVmlinux(k)
}

// A source is some packages and the apt that has them.
type source struct {
	apt  apt
	pkgs []pkg
}

// headerNames returns the packages of a kernel's headers.
func (a apt) headerNames(ctx context.Context, k *Kernel) ([]string, error) {
	// It fails if one of several suites does; the headers may be in another.
	updated, updateErr := a.command(ctx, "", "apt-get", "-q", "update", "--error-on=any").CombinedOutput()
	out, err := a.command(ctx, "", "apt-cache", "pkgnames", "linux-").Output()
	if err != nil {
		return nil, fmt.Errorf("apt-cache pkgnames: %w", err)
	}
	names, err := pickHeaders(strings.Fields(string(out)), k)
	if err != nil && updateErr != nil {
		return nil, fmt.Errorf("cannot reach the Debian mirror (is the network up?):\n%s", complaints(updated))
	}
	return names, err
}

// pickHeaders selects from package names: the flavour's headers, those that flavours share
// (PREEMPT_RT had its own up to 6.12), and the programs of the kernel's build, which are named by
// the series in 6.1 and by the release later.
func pickHeaders(known []string, k *Kernel) ([]string, error) {
	base, flavour := k.base()
	names := []string{"linux-headers-" + k.Release, "linux-headers-" + base + "-common", "linux-kbuild-" + base}
	if own := names[1] + "-" + flavour; slices.Contains(known, own) {
		names[1] = own
	}
	if !slices.Contains(known, names[2]) {
		number, _, _ := strings.Cut(k.Series, "-")
		names[2] = "linux-kbuild-" + number
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, noHeaders(k)
		}
	}
	return names, nil
}

// base is the release without flavour and processor, and the flavour, empty if there is none:
// 6.1.0-57 and rt of 6.1.0-57-rt-amd64.
func (k *Kernel) base() (base, flavour string) {
	base, _, _ = strings.Cut(k.Release, "-"+k.arch().name)
	for _, flavour := range []string{"rt", "cloud"} {
		if plain, ok := strings.CutSuffix(base, "-"+flavour); ok {
			return plain, flavour
		}
	}
	return base, ""
}

// unpackHeaders moves the packages' files below /usr/src and /usr/lib into the root. They may have
// /lib as well, a directory that would replace the root's link.
func (b *buildRoot) unpackHeaders(ctx context.Context, k *Kernel, sources []source) error {
	tmp, err := newDir(b.dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, s := range sources {
		if _, err := s.apt.downloadAll(ctx, tmp, s.pkgs); err != nil {
			return err
		}
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return err
	}
	tree := filepath.Join(tmp, "tree")
	for _, deb := range debs {
		if err := run(ctx, "dpkg", "-x", deb, tree); err != nil {
			return err
		}
	}
	var found []string
	// The flavour's own come last: with a vmlinux, which some have, the headers are complete.
	for _, pattern := range []string{"usr/lib/linux-kbuild-*", "usr/src/linux-headers-*-common*", headersDir(k)} {
		match, _ := filepath.Glob(filepath.Join(tree, pattern))
		found = append(found, match...)
	}
	for _, dir := range found {
		name, err := filepath.Rel(tree, dir)
		if err != nil {
			return err
		}
		to := filepath.Join(b.dir, name)
		os.RemoveAll(to) // an interrupted run may have left one
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Rename(dir, to)); err != nil {
			return err
		}
	}
	return nil
}

// addVmlinux puts the kernel that the types of a module refer to beside its headers; packages of
// old kernels lack it. It is the last step, so that headers with it are complete. An image for
// another processor has none, but Debian's headers for it do.
func (b *buildRoot) addVmlinux(k *Kernel) error {
	if !k.arch().ownRoot() && b.makesTypes(k) {
		return nil
	}
	elf, err := bzimage.Vmlinux(k.Image())
	if err != nil {
		return err
	}
	name := bareVmlinux
	base, _ := k.base()
	if exists(filepath.Join(b.dir, "usr/lib/linux-kbuild-"+base, "tools/bpf/resolve_btfids/resolve_btfids")) {
		name = "vmlinux"
	}
	return replaceFile(filepath.Join(b.dir, headersDir(k), name), elf)
}

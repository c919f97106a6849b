package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A buildRoot is a tree with everything that building a kernel module needs: compilers, make,
// pahole and their dependencies, at their usual paths, so that commands run in it after a chroot.
// The host's own programs are too old for the newer kernels. The packages are only unpacked:
// nothing in the tree is configured, and it has no daemons and users.
type buildRoot struct{ dir string }

// buildSuites have the compilers that Debian builds its kernels with, old and new, and
// buildPackages are those compilers and the programs that the kernel's makefiles call. For another
// processor one compiler is enough: nobody builds modules for old kernels there. The version of the
// first package is in the root's name.
var (
	buildSuites   = Series{Name: "kmod", Suites: []string{"trixie", "trixie-security"}}
	compilers     = []string{"gcc-14", "gcc-12"}
	buildPackages = []string{"make", "pahole", "base-files", "bash", "bc", "coreutils", "dash", "diffutils", "findutils", "grep", "libelf1t64", "libssl3t64", "mawk", "sed"}
	buildPrograms = []program{{"dpkg", "dpkg"}, {"unshare", "util-linux"}, {"xz", "xz-utils"}, {"zstd", "zstd"}}
)

// buildPackages are the packages that the root needs to build for a processor.
func (a *arch) buildPackages() []string {
	if a.ownRoot() {
		return append(slices.Clone(compilers), buildPackages...)
	}
	return append([]string{compilers[0] + "-" + strings.ReplaceAll(a.triple, "_", "-")}, buildPackages...)
}

// buildDir is the cache directory of the root for a processor and its builds.
func (a *arch) buildDir(cache string) string {
	if a.ownRoot() {
		return filepath.Join(cache, "kmod")
	}
	return filepath.Join(cache, "kmod-"+a.name)
}

func cachedRoot(cache string) (string, bool) { return noted(cache, "root-") }

// openRoot returns the build root in the cache, and makes it if it is missing.
func openRoot(ctx context.Context, cache string, arch *arch) (*buildRoot, error) {
	if err := needPrograms(ctx, buildPrograms); err != nil {
		return nil, err
	}
	if dir, ok := cachedRoot(cache); ok {
		return &buildRoot{dir}, nil
	}
	a := apt{dir: filepath.Join(filepath.Dir(cache), "apt", buildSuites.Name)}
	if err := a.setup(ctx, buildSuites); err != nil {
		return nil, err
	}
	first, err := a.newest(ctx, arch.buildPackages()[0])
	if err != nil {
		return nil, err
	}
	pkgs, err := a.withNeeds(ctx, arch.buildPackages())
	if err != nil {
		return nil, err
	}
	progressf("fetching and unpacking the compilers of kernel modules (%d packages)", len(pkgs))
	root := filepath.Join(cache, "root-"+first[0].version)
	if err := unpackRoot(ctx, a, cache, pkgs, root, nil); err != nil {
		return nil, err
	}
	return &buildRoot{root}, replaceFile(filepath.Join(cache, "version"), []byte(first[0].version+"\n"))
}

// unpackRoot unpacks base-files first: it has the links of / into /usr, and no package may make a
// directory in place of one. Files that add makes, if not nil, are there before the root gets its
// name.
func unpackRoot(ctx context.Context, a apt, cache string, pkgs []pkg, root string, add func(tree string) error) error {
	tmp, err := newDir(cache)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	debs, err := a.downloadAll(ctx, tmp, pkgs)
	if err != nil {
		return err
	}
	first, _ := filepath.Glob(filepath.Join(tmp, "base-files_*.deb"))
	tree := filepath.Join(tmp, "root")
	for _, deb := range append(first, debs...) {
		if err := run(ctx, "dpkg", "-x", deb, tree); err != nil {
			return err
		}
	}
	if err := os.Symlink("mawk", filepath.Join(tree, "usr/bin/awk")); err != nil { // its package does that when configured
		return err
	}
	if add != nil {
		if err := add(tree); err != nil {
			return err
		}
	}
	os.RemoveAll(root) // an interrupted run may have left one
	return os.Rename(tree, root)
}

var installLine = regexp.MustCompile(`(?m)^Inst (\S+) \((\S+)`)

// withNeeds returns packages with all their dependencies.
func (a apt) withNeeds(ctx context.Context, names []string) ([]pkg, error) {
	args := append([]string{"install", "--simulate", "--no-install-recommends"}, names...)
	out, err := a.command(ctx, "", "apt-get", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("find what %s need: %w\n%s", strings.Join(names, ", "), err, complaints(out))
	}
	var pkgs []pkg
	for _, m := range installLine.FindAllSubmatch(out, -1) {
		pkgs = append(pkgs, pkg{name: string(m[1]), version: string(m[2])})
	}
	return pkgs, nil
}

// downloadAll is download for many packages, which apt fetches concurrently.
func (a apt) downloadAll(ctx context.Context, dir string, pkgs []pkg) ([]string, error) {
	args := []string{"-q", "download"}
	for _, p := range pkgs {
		args = append(args, p.name+"="+p.version)
	}
	if out, err := a.command(ctx, dir, "apt-get", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fetch %d packages: %w\n%s", len(pkgs), err, complaints(out))
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

// enter runs in a mount namespace, so that its mounts go with the command; $0 is the root. The kernel's objtool reads /proc.
const enter = `mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/bin:/usr/sbin LC_ALL=C "$@"`

// run runs a command in the root, and returns its output if it fails.
func (b *buildRoot) run(ctx context.Context, args ...string) error {
	unshare := []string{"--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--map-root-user")
	}
	cmd := exec.CommandContext(ctx, "unshare", append(append(unshare, "sh", "-c", enter, b.dir), args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// make builds a module, with the types that tracing by name needs, and returns the file.
func (b *buildRoot) make(ctx context.Context, k *Kernel, m *moduleSource) ([]byte, error) {
	progressf("building the module %s for %s", m.name, k.Release)
	if err := os.MkdirAll(filepath.Join(b.dir, "build"), 0o755); err != nil {
		return nil, err
	}
	dir, err := newDir(filepath.Join(b.dir, "build"))
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := m.write(dir); err != nil {
		return nil, err
	}
	inside := "/build/" + filepath.Base(dir)
	ko := inside + "/" + m.name + ".ko"
	// The kernel's headers may not warn either: they do not with the compiler of that kernel.
	commands := [][]string{{"make", "-s", "-C", headersDir(k), "M=" + inside, "KCFLAGS=-Werror", "modules"}}
	if !b.makesTypes(k) {
		commands = append(commands, []string{"env", "LLVM_OBJCOPY=objcopy", "pahole", "-J", "--btf_gen_floats", "--btf_base", headersDir(k) + "/" + bareVmlinux, ko})
	}
	commands = append(commands, []string{k.arch().triple + "-strip", "--strip-debug", ko}) // as modules are installed
	for _, args := range commands {
		if err := b.run(ctx, args...); err != nil {
			return nil, err
		}
	}
	return os.ReadFile(filepath.Join(b.dir, ko))
}

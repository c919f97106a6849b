package vm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// selftestSources are the files of the kernel's tree that its TLS selftest is built from. Of the
// kernel's headers for user space only tls.h must be as new as the test; the others would have to
// be exported first (headers_install).
var selftestSources = []string{
	"include/uapi/linux/tls.h",
	"tools/testing/selftests/kselftest.h",
	"tools/testing/selftests/kselftest_harness.h",
	"tools/testing/selftests/net/tls.c",
}

// A compiler alone cannot link: it also needs libc's headers and its static library.
var compilePrograms = []program{{"gcc", "gcc"}, {"gcc", "libc6-dev"}, {"tar", "tar"}, {"xz", "xz-utils"}, {"dpkg", "dpkg"}}

const selftestUsage = `usage: selftest [-update]

Builds tools/testing/selftests/net/tls.c of the newest kernel in the matrix, from Debian's package of its source, and
prints the program's path. It is built once and then kept in the cache.

`

// SelftestMain is all of the command selftest; it returns the exit status.
func SelftestMain(args []string) int { return printMain("selftest", selftestUsage, Selftest, args) }

// printMain is all of a command without operands that prints the path of a file in the cache.
func printMain(name, usage string, find func(ctx context.Context, update bool) (string, error), args []string) int {
	return printFound(name, usage, 0, func(ctx context.Context, _ []string, update bool) (string, error) { return find(ctx, update) }, args)
}

// printFound is all of a command that prints paths in the cache, and accepts a limited number of
// operands.
func printFound(name, usage string, operands int, find func(ctx context.Context, operands []string, update bool) (string, error), args []string) int {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.Usage = func() { fmt.Fprint(f.Output(), usage); f.PrintDefaults() }
	update := f.Bool("update", false, "look for a newer package")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || f.NArg() > operands {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	found, err := find(ctx, f.Args(), *update)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	fmt.Println(found)
	return 0
}

// Selftest returns the path of the kernel's TLS selftest, from the cache if it is there. It is
// linked statically. The newest series' source serves all kernels: the older series' own copies do
// not compile.
func Selftest(ctx context.Context, update bool) (string, error) {
	names := kernelNames(full)
	newest, err := findSeries(names[len(names)-1])
	if err != nil {
		return "", err
	}
	return inCache("selftest", cachedSelftest, update, func(cache, dir string) (string, error) {
		return buildSelftest(ctx, cache, dir, newest)
	})
}

// inCache returns the path that cached finds in a directory of the cache. If it is missing, build
// makes it.
func inCache(kind string, cached func(dir string) (string, bool), update bool, build func(cache, dir string) (string, error)) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, kind)
	if name, ok := cached(dir); ok && !update {
		return name, nil
	}
	lock, err := lockCache(cache)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if name, ok := cached(dir); ok && !update { // another run built it meanwhile
		return name, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return build(cache, dir)
}

func cachedSelftest(dir string) (string, bool) { return noted(dir, "tls-") }

// noted reads which version is in use. The note is written last, so the version that it names is
// complete.
func noted(dir, prefix string) (string, bool) {
	note, err := os.ReadFile(filepath.Join(dir, "version"))
	if err != nil {
		return "", false
	}
	name := filepath.Join(dir, prefix+strings.TrimSpace(string(note)))
	_, err = os.Stat(name)
	return name, err == nil
}

func buildSelftest(ctx context.Context, cache, dir string, s Series) (string, error) {
	if err := needPrograms(ctx, compilePrograms); err != nil {
		return "", err
	}
	a := s.apt(cache)
	if err := a.setup(ctx, s); err != nil {
		return "", err
	}
	pkgs, err := a.newest(ctx, "linux-source-"+s.Name)
	if err != nil {
		return "", err
	}
	p := pkgs[0]
	name := filepath.Join(dir, "tls-"+p.version)
	if _, err := os.Stat(name); err != nil {
		if err := a.compileSelftest(ctx, dir, p, name); err != nil {
			return "", err
		}
	}
	return name, replaceFile(filepath.Join(dir, "version"), []byte(p.version+"\n"))
}

// newest refreshes the lists and returns the newest version of each package, in the order of the names.
func (a apt) newest(ctx context.Context, names ...string) ([]pkg, error) {
	updated, updateErr := a.command(ctx, "", "apt-get", "-q", "update", "--error-on=any").CombinedOutput()
	var pkgs []pkg
	for _, name := range names {
		out, err := a.command(ctx, "", "apt-cache", "show", "--no-all-versions", name).Output()
		if err == nil {
			var found []pkg
			if found, err = parsePackages(string(out)); err == nil && len(found) > 0 {
				pkgs = append(pkgs, found[0])
				continue
			}
		}
		if updateErr != nil {
			return nil, fmt.Errorf("cannot reach the Debian mirror (is the network up?):\n%s", complaints(updated))
		}
		return nil, fmt.Errorf("the mirror has no package %s: %w", name, err)
	}
	return pkgs, nil
}

// compileSelftest leaves only the program.
func (a apt) compileSelftest(ctx context.Context, dir string, p pkg, name string) error {
	tmp, err := newDir(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	debs, err := a.download(ctx, tmp, []pkg{p})
	if err != nil {
		return err
	}
	progressf("building the kernel's TLS selftest of %s %s", p.name, p.version)
	for _, deb := range debs {
		if err := run(ctx, "dpkg", "-x", deb, tmp); err != nil {
			return err
		}
	}
	if err := extractSelftest(ctx, tmp, p.name); err != nil {
		return err
	}
	program := filepath.Join(tmp, "selftest")
	net := filepath.Join(tmp, "tools/testing/selftests/net")
	cmd := exec.CommandContext(ctx, "gcc", "-O2", "-static", "-I..", "-I../../../../include/uapi", "-o", program, "tls.c")
	cmd.Dir = net
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile tls.c (are gcc and libc6-dev installed?): %w\n%s", err, out)
	}
	return os.Rename(program, name)
}

// newDir makes a directory to build something in, and removes those of runs that were killed.
func newDir(dir string) (string, error) {
	leftovers, _ := filepath.Glob(filepath.Join(dir, ".new-*"))
	for _, d := range leftovers {
		os.RemoveAll(d)
	}
	return os.MkdirTemp(dir, ".new-")
}

// extractSelftest extracts the selftest's files from the archive in the package, which is the whole
// tree.
func extractSelftest(ctx context.Context, dir, name string) error {
	args := []string{"-C", dir, "--strip-components=1", "--occurrence=1", "-xJf", filepath.Join(dir, "usr/src", name+".tar.xz")}
	for _, file := range selftestSources {
		args = append(args, path.Join(name, file))
	}
	return run(ctx, "tar", args...)
}

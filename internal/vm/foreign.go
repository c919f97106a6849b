package vm

import (
	"context"
	"os"
	"path/filepath"
)

// foreign is the suite whose OpenSSL is newer than the host's, and foreignPackages are all packages
// that it needs to run beside the host's: also the suite's own libc, whose loader starts it. The
// version of the first package is in the directory's name.
var (
	foreign         = Series{Name: "openssl35", Suites: []string{"trixie", "trixie-security"}}
	foreignPackages = []string{"openssl", "libssl3t64", "libc6", "zlib1g", "libzstd1"}
)

const foreignUsage = `usage: foreign [-update]

Unpacks Debian trixie's OpenSSL with the libraries it needs and prints the directory. It is unpacked once and then kept
in the cache.

`

// ForeignMain is all of the command foreign; it returns the exit status.
func ForeignMain(args []string) int { return printMain("foreign", foreignUsage, Foreign, args) }

// Foreign returns the directory of an OpenSSL newer than the host's, from the cache if it is there.
func Foreign(ctx context.Context, update bool) (string, error) {
	return inCache("foreign", cachedForeign, update, func(cache, dir string) (string, error) {
		return unpackForeign(ctx, cache, dir, "openssl-", foreignPackages, nil)
	})
}

func cachedForeign(dir string) (string, bool) { return noted(dir, "openssl-") }

// unpackForeign unpacks the suite's packages into a directory of dir, which it names after the
// first package's version, and returns it. Files that add makes, if not nil, are there before the
// directory has its name.
func unpackForeign(ctx context.Context, cache, dir, prefix string, packages []string, add func(ctx context.Context, root string) error) (string, error) {
	if err := needPrograms(ctx, []program{{"dpkg", "dpkg"}}); err != nil {
		return "", err
	}
	a := apt{dir: filepath.Join(cache, "apt", foreign.Name)}
	if err := a.setup(ctx, foreign); err != nil {
		return "", err
	}
	pkgs, err := a.newest(ctx, packages...)
	if err != nil {
		return "", err
	}
	version := pkgs[0].version
	name := filepath.Join(dir, prefix+version)
	if _, err := os.Stat(name); err != nil {
		if err := a.unpack(ctx, dir, pkgs, name, add); err != nil {
			return "", err
		}
	}
	return name, replaceFile(filepath.Join(dir, "version"), []byte(version+"\n"))
}

// unpack downloads and unpacks packages in a temporary directory, calls add, and then renames the
// directory.
func (a apt) unpack(ctx context.Context, dir string, pkgs []pkg, name string, add func(ctx context.Context, root string) error) error {
	tmp, err := newDir(dir)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	debs, err := a.download(ctx, tmp, pkgs)
	if err != nil {
		return err
	}
	root := filepath.Join(tmp, "root")
	for _, deb := range debs {
		if err := run(ctx, "dpkg", "-x", deb, root); err != nil {
			return err
		}
	}
	if add != nil {
		if err := add(ctx, root); err != nil {
			return err
		}
	}
	return os.Rename(root, name)
}

package vm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// guestSuites and guestPackages are the system of guests whose processor is not this machine's: what the tests run, and
// all that it needs. The first one's version names the directory.
var (
	guestSuites   = []string{"trixie", "trixie-security"}
	guestPackages = []string{
		"base-files", "base-passwd", "bash", "coreutils", "curl", "dash", "diffutils", "ethtool", "findutils", "gnutls-bin",
		"grep", "hostname", "iproute2", "iputils-ping", "kmod", "libc-bin", "mawk", "mount", "ncurses-base", "ncurses-bin", "nginx-light",
		"openssl", "procps", "python3", "sed", "tcpdump", "tmux", "util-linux",
	}
)

// rootFor returns the directory that is the root of guests with a processor: this machine's own, or one in the cache.
// Nothing is configured in that one: its packages are only unpacked.
func rootFor(ctx context.Context, a *arch) (string, error) {
	if a.ownRoot() {
		return "/", nil
	}
	list := sha256.Sum256([]byte(strings.Join(guestPackages, " ")))
	prefix := fmt.Sprintf("%s-%x-", a.name, list[:4]) // another list is another root
	cached := func(dir string) (string, bool) { return noted(dir, prefix) }
	return inCache("root", cached, false, func(cache, dir string) (string, error) {
		return makeRoot(ctx, cache, dir, prefix, a)
	})
}

func makeRoot(ctx context.Context, cache, dir, prefix string, arch *arch) (string, error) {
	if err := needPrograms(ctx, []program{{"dpkg", "dpkg"}}); err != nil {
		return "", err
	}
	s := Series{Name: "root-" + arch.name, Suites: guestSuites}
	a := apt{filepath.Join(cache, "apt", s.Name), arch.name}
	if err := a.setup(ctx, s); err != nil {
		return "", err
	}
	first, err := a.newest(ctx, guestPackages[0])
	if err != nil {
		return "", err
	}
	pkgs, err := a.withNeeds(ctx, guestPackages)
	if err != nil {
		return "", err
	}
	progressf("fetching and unpacking a Debian for %s (%d packages)", arch.name, len(pkgs))
	root := filepath.Join(dir, prefix+first[0].version)
	if err := unpackRoot(ctx, a, dir, pkgs, root); err != nil {
		return "", err
	}
	if err := nameUsers(root); err != nil {
		return "", err
	}
	return root, replaceFile(filepath.Join(dir, "version"), []byte(first[0].version+"\n"))
}

// nameUsers does what the package base-passwd does when it is configured, and gives the guest's own name its address.
func nameUsers(root string) error {
	var failed error
	for _, name := range []string{"passwd", "group"} {
		from := filepath.Join(root, "usr/share/base-passwd", name+".master")
		failed = errors.Join(failed, copyFile(from, filepath.Join(root, "etc", name)))
	}
	hosts := []byte("127.0.0.1 localhost guest\n::1 localhost\n")
	return errors.Join(failed, os.WriteFile(filepath.Join(root, "etc/hosts"), hosts, 0o644))
}

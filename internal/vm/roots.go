package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A programRoot describes a tree of programs with all their dependencies: of a Debian that is newer
// than the host's, for the tests of e2e/programs, which run them after a chroot, or of one for
// another processor, whose guests have it as their root. Packages are not configured: users or
// directories that their scripts would make are made here or by the test.
type programRoot struct {
	name   string
	arch   string // Debian's name of the processor; empty is this machine's
	suites []string
	// release is the preferred suite, if the newest version is not wanted.
	release  string
	packages []string
	users    []string // of /etc/passwd, besides those of every Debian
}

// programRoots are all trees. When the contents of one change, each machine makes a new one.
var programRoots = []programRoot{
	{name: "trixie", suites: []string{"trixie", "trixie-security"}, packages: slices.Concat(basePackages,
		[]string{"nginx", "nghttp2-client", "lighttpd", "lighttpd-mod-openssl", "curl"}, // the web
		[]string{"openssl", "stunnel4", "python3"},
		[]string{"redis-server", "redis-tools", "memcached"},
		[]string{"dash", "grep", "sed", "findutils"}, // programs that scripts call
		[]string{"postgresql-17", "mariadb-server"},  // databases
		[]string{"postfix"}, // mail
		[]string{"ktls-utils", "nfs-kernel-server", "nfs-common", "netbase", "nvme-cli", "keyutils"}, // storage
	), users: []string{"postgres", "mysql", "postfix", "postdrop"}},
	// The first HAProxy with kernel TLS in Debian, built with it: its libraries are not trixie's.
	{name: "haproxy", suites: []string{"sid", "experimental"}, release: "experimental", packages: slices.Concat(basePackages, []string{"haproxy"})},
}

// guestRoot is the root of guests with another processor than this machine's: the programs that the
// tests run there.
func guestRoot(a *arch) programRoot {
	return programRoot{name: "guest-" + a.name, arch: a.name, suites: []string{"trixie", "trixie-security"}, packages: slices.Concat(basePackages, []string{
		"curl", "dash", "diffutils", "ethtool", "findutils", "gnutls-bin", "grep", "hostname", "iproute2", "iputils-ping", "kmod", "libc-bin",
		"mount", "ncurses-base", "ncurses-bin", "nginx-light", "openssl", "procps", "python3", "sed", "tcpdump", "tmux", "util-linux",
	})}
}

// basePackages are in every root: the links of / into /usr, users, and common commands.
var basePackages = []string{"base-files", "base-passwd", "bash", "coreutils", "mawk"}

// rootRecipe counts the changes of how roots are made (makeRoot) that make the cached roots
// useless.
const rootRecipe = 2

const rootsUsage = `usage: roots [-update] NAME

Unpacks a tree of Debian's programs, made for the tests of e2e/programs, and prints its directory. It is unpacked once
and then kept in the cache, until the list of its packages changes.

`

// RootsMain is all of the command roots; it returns the exit status.
func RootsMain(args []string) int {
	return printFound("roots", rootsUsage, 1, func(ctx context.Context, names []string, update bool) (string, error) {
		return Root(ctx, strings.Join(names, ""), update)
	}, args)
}

// Root returns the directory of a tree of programs, from the cache if it is there.
func Root(ctx context.Context, name string, update bool) (string, error) {
	r, err := findRoot(name)
	if err != nil {
		return "", err
	}
	return r.fetch(ctx, update)
}

// rootFor returns the directory that is the root of guests with a processor: this machine's own, or one in the cache.
func rootFor(ctx context.Context, a *arch) (string, error) {
	if a.ownRoot() {
		return "/", nil
	}
	r := guestRoot(a)
	return r.fetch(ctx, false)
}

func (r *programRoot) fetch(ctx context.Context, update bool) (string, error) {
	return inCache("roots", r.cached, update, func(cache, dir string) (string, error) { return makeRoot(ctx, cache, dir, *r) })
}

func findRoot(name string) (programRoot, error) {
	var names []string
	for _, r := range programRoots {
		if r.name == name {
			return r, nil
		}
		names = append(names, r.name)
	}
	return programRoot{}, fmt.Errorf("unknown root %q: there are %s", name, strings.Join(names, ", "))
}

// key identifies the root's contents: the same key, the same packages.
func (r *programRoot) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%q\n%q\n%q\n%q\n", rootRecipe, r.arch, r.suites, r.release, r.packages, r.users)
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// cached finds the root. The root has its name only when it is complete; cached records its use.
func (r *programRoot) cached(dir string) (string, bool) {
	name := filepath.Join(dir, r.name+"-"+r.key())
	now := time.Now()
	return name, os.Chtimes(name, now, now) == nil
}

func makeRoot(ctx context.Context, cache, dir string, r programRoot) (string, error) {
	if err := needPrograms(ctx, []program{{"dpkg", "dpkg"}, {"xz", "xz-utils"}, {"zstd", "zstd"}}); err != nil {
		return "", err
	}
	series := Series{Name: "roots-" + r.name, Suites: r.suites}
	a := apt{filepath.Join(cache, "apt", series.Name), r.arch}
	if err := a.setup(ctx, series); err != nil {
		return "", err
	}
	if _, err := a.newest(ctx, r.packages[0]); err != nil {
		return "", err
	}
	wanted := r.packages
	if r.release != "" {
		wanted = append([]string{"--target-release=" + r.release}, wanted...)
	}
	pkgs, err := a.withNeeds(ctx, wanted)
	if err != nil {
		return "", err
	}
	name, _ := r.cached(dir)
	if mountedBelow(name) {
		return "", fmt.Errorf("something is mounted below %s: unmount it first", name)
	}
	progressf("fetching and unpacking the programs of %s (%d packages)", r.name, len(pkgs))
	err = unpackRoot(ctx, a, dir, pkgs, name, func(tree string) error {
		return errors.Join(r.addUsers(tree), nameHost(tree), listPackages(tree, pkgs))
	})
	if err != nil {
		return "", err
	}
	r.cached(dir) // which makes it young: freshly unpacked, it is as old as its packages
	r.removeOlder(dir)
	return name, nil
}

// nameHost gives the host name of a guest that has the tree as its root an address.
func nameHost(tree string) error {
	return os.WriteFile(filepath.Join(tree, "etc/hosts"), []byte("127.0.0.1 localhost guest\n::1 localhost\n"), 0o644)
}

// listPackages writes a file into the tree with a line for each package, its name and its version.
func listPackages(tree string, pkgs []pkg) error {
	var list strings.Builder
	for _, p := range pkgs {
		fmt.Fprintln(&list, p.name, p.version)
	}
	return os.WriteFile(filepath.Join(tree, "packages"), []byte(list.String()), 0o644)
}

// addUsers makes /etc/passwd and /etc/group of a tree, as the package base-passwd does when it is
// configured, with the root's own users and a group for each, with the same name and number.
func (r *programRoot) addUsers(tree string) error {
	var users, groups strings.Builder
	for i, user := range r.users {
		fmt.Fprintf(&users, "%s:x:%d:%[2]d::/nonexistent:/usr/sbin/nologin\n", user, 900+i)
		fmt.Fprintf(&groups, "%s:x:%d:\n", user, 900+i)
	}
	for file, more := range map[string]string{"passwd": users.String(), "group": groups.String()} {
		all, err := os.ReadFile(filepath.Join(tree, "usr/share/base-passwd", file+".master"))
		if err != nil {
			return err
		}
		all = []byte(strings.ReplaceAll(string(all), ":*:", ":x:") + more)
		if err := os.WriteFile(filepath.Join(tree, "etc", file), all, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// keepRoot is how long an unused root of another list is kept: a developer may switch between two
// versions.
const keepRoot = 7 * 24 * time.Hour

func (r *programRoot) removeOlder(dir string) {
	others, _ := filepath.Glob(filepath.Join(dir, r.name+"-*"))
	for _, name := range others {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > keepRoot && !mountedBelow(name) {
			os.RemoveAll(name)
		}
	}
}

// mountedBelow reports whether a tree has mounts in it, which a user who examined it may have made:
// removing the tree would remove the mounted files.
func mountedBelow(dir string) bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	return err != nil || strings.Contains(string(mounts), " "+dir+"/")
}

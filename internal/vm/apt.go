package vm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// An apt is apt with a private configuration: its own source list and state, so that it changes
// nothing of the machine's apt and needs no rights for that. The machine's apt.conf (proxies) still
// applies.
type apt struct {
	dir  string
	arch string // Debian's name of the processor; empty is this machine's
}

func (a apt) options() []string {
	options := []string{
		"-o", "Dir::Etc::sourcelist=" + filepath.Join(a.dir, "sources.list"),
		"-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State=" + filepath.Join(a.dir, "state"),
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "APT::Sandbox::User=root",
		"-o", "APT::Get::List-Cleanup=false",
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Acquire::Retries=2",
	}
	if a.arch != "" {
		options = append(options, "-o", "APT::Architecture="+a.arch, "-o", "APT::Architectures="+a.arch)
	}
	return options
}

// command builds a call of apt-get or apt-cache. Its working directory is where apt-get download puts files.
func (a apt) command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append(a.options(), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return cmd
}

// setup writes the source list of a series. It leaves out suites on a mirror that the machine does
// not know.
func (a apt) setup(ctx context.Context, s Series) error {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	main, security, err := a.mirrors(ctx)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, suite := range s.Suites {
		uri := main
		if strings.HasSuffix(suite, "-security") {
			uri = security
		}
		if uri != "" {
			fmt.Fprintf(&list, "deb [signed-by=%s%s] %s %s main\n", keyring, ageless(suite), uri, suite)
		}
	}
	return os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(list.String()), 0o644)
}

// ageless is the option to accept expired lists, for suites whose lists expire within days: a
// mirror may be older. The lists are still verified by signature.
func ageless(suite string) string {
	if suite == "sid" || suite == "experimental" {
		return " check-valid-until=no"
	}
	return ""
}

var releaseURI = regexp.MustCompile(`'([^']*)/dists/([^/']+)/InRelease'`)

// mirrors finds the mirrors of Debian in this machine's apt configuration. KTLSTOP_DEBIAN_MIRROR
// overrides it.
func (a apt) mirrors(ctx context.Context) (main, security string, err error) {
	if uri := os.Getenv("KTLSTOP_DEBIAN_MIRROR"); uri != "" {
		return uri, "", nil
	}
	cmd := exec.CommandContext(ctx, "apt-get", "-o", "Dir::State="+filepath.Join(a.dir, "state"), "update", "--print-uris")
	out, err := cmd.Output()
	if err != nil {
		return "", "", fmt.Errorf("ask apt for its sources: %w", err)
	}
	main, security = pickMirrors(string(out))
	if main == "" {
		return "", "", errors.New("apt on this machine has no Debian mirror: set KTLSTOP_DEBIAN_MIRROR to one's URL")
	}
	return main, security, nil
}

func pickMirrors(uris string) (main, security string) {
	for _, m := range releaseURI.FindAllStringSubmatch(uris, -1) {
		uri, suite := m[1], m[2]
		switch {
		case strings.HasSuffix(suite, "-security"):
			security = uri
		case strings.HasSuffix(uri, "/debian") && main == "":
			main = uri
		}
	}
	return main, security
}

// packages refreshes the lists and returns the packages of a flavour's kernels.
func (a apt) packages(ctx context.Context, ending string) ([]pkg, error) {
	// apt-get update fails if one of several suites does; the others can still be used.
	updated, updateErr := a.command(ctx, "", "apt-get", "-q", "update", "--error-on=any").CombinedOutput()
	names, err := a.names(ctx, ending)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 && updateErr != nil {
		return nil, fmt.Errorf("cannot reach the Debian mirror (is the network up?):\n%s", complaints(updated))
	}
	if len(names) == 0 {
		return nil, nil
	}
	out, err := a.command(ctx, "", "apt-cache", append([]string{"show"}, names...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("apt-cache show: %w", err)
	}
	return parsePackages(string(out))
}

func (a apt) names(ctx context.Context, ending string) ([]string, error) {
	out, err := a.command(ctx, "", "apt-cache", "pkgnames", "linux-").Output()
	if err != nil {
		return nil, fmt.Errorf("apt-cache pkgnames: %w", err)
	}
	var names []string
	for _, name := range strings.Fields(string(out)) {
		_, release, _ := strings.Cut(strings.TrimPrefix(name, "linux-"), "-")
		if isFlavour(strings.TrimPrefix(release, "unsigned-"), ending) {
			names = append(names, name)
		}
	}
	return names, nil
}

func parsePackages(text string) ([]pkg, error) {
	var pkgs []pkg
	var p pkg
	lines := bufio.NewScanner(strings.NewReader(text + "\n\n"))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Size":
			p.size, _ = strconv.ParseInt(value, 10, 64)
		case "Installed-Size":
			p.installedKB, _ = strconv.ParseInt(value, 10, 64)
		case "":
			if p.name != "" {
				pkgs = append(pkgs, p)
			}
			p = pkg{}
		}
	}
	return pkgs, lines.Err()
}

// download fetches packages into dir and returns the files.
func (a apt) download(ctx context.Context, dir string, pkgs []pkg) ([]string, error) {
	for _, p := range pkgs {
		progressf("fetching %s %s (%d MB)", p.name, p.version, (p.size+500_000)/1_000_000)
		out, err := a.command(ctx, dir, "apt-get", "-q", "download", p.name+"="+p.version).CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("fetch %s: %w\n%s", p.name, err, complaints(out))
		}
	}
	return filepath.Glob(filepath.Join(dir, "*.deb"))
}

// complaints keeps apt's error and warning lines.
func complaints(out []byte) []byte {
	var keep [][]byte
	for _, line := range bytes.Split(out, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("E:")) || bytes.HasPrefix(line, []byte("W:")) || bytes.HasPrefix(line, []byte("Err:")) {
			keep = append(keep, line)
		}
	}
	return bytes.Join(keep, []byte("\n"))
}

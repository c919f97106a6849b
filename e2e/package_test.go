package e2e

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestPackage installs the Debian package under a systemd, where the unit has the few
// rights that it declares: the service starts, is scraped, restarts, and is purged without
// a trace.
func TestPackage(t *testing.T) {
	onOneKernel(t)
	m := bootSystemd(t)
	deb := debianPackage(t)
	m.must("dpkg", "--admindir", m.dpkg, "-i", deb)
	files := strings.Fields(m.must("dpkg", "--admindir", m.dpkg, "-L", "ktlstop"))
	for _, page := range []string{"man1/ktlstop.1.gz", "man1/ktlstop-trace.1.gz", "man7/ktlstop-filters.7.gz", "man7/ktlstop-events.7.gz"} {
		if !slices.Contains(files, "/usr/share/man/"+page) {
			t.Errorf("no manual page %s in the package", page)
		}
	}
	if out, _ := m.run("systemctl", "is-active", "ktlstop"); strings.TrimSpace(out) != "inactive" {
		t.Errorf("after the installation it is %s", out)
	}
	if info, err := os.Stat("/etc/default/ktlstop"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file that may have a token: %v, %v", info, err)
	}
	must(t, os.WriteFile("/etc/default/ktlstop", []byte("KTLSTOP_OPTIONS=--group-by=comm --max-groups=7\n"), 0o644))

	m.must("systemctl", "enable", "--now", "ktlstop")
	playRounds(t)
	eventually(t, "the service counts records", func() bool {
		return regexp.MustCompile(`(?m)^ktlstop_records_total\{comm="ktlstop",direction="tx",type="data"\} [1-9]`).MatchString(scrape(t))
	})
	first := m.must("systemctl", "show", "-P", "MainPID", "ktlstop")
	m.must("systemctl", "restart", "ktlstop")
	if again := m.must("systemctl", "show", "-P", "MainPID", "ktlstop"); again == first {
		t.Errorf("it is still process %s", again)
	}
	if page := scrape(t); !strings.Contains(page, "\nktlstop_build_info{") || strings.Contains(page, "\nktlstop_records_total{") {
		t.Errorf("after the restart:\n%s", page)
	}
	// Its message appears once for each of the two starts, and it reports no failure that
	// the unit causes.
	if said := m.said(); !regexp.MustCompile(`^(ktlstop: ready on [^\n]+\n){2}$`).MatchString(said) {
		t.Errorf("the service said:\n%s", said)
	}

	m.must("dpkg", "--admindir", m.dpkg, "--purge", "ktlstop")
	m.nothingLeft(files)
}

// The systemd runs in namespaces of its own for processes and mounts, with the network and
// the files of this guest.
type systemd struct {
	t    *testing.T
	pid  int
	dir  string
	dpkg string // dpkg's own database, which need not know this machine's packages
}

func bootSystemd(t *testing.T) systemd {
	t.Helper()
	need(t, "systemctl")
	dir := t.TempDir()
	m := systemd{t: t, dir: dir, dpkg: filepath.Join(dir, "dpkg")}
	must(t, os.MkdirAll(filepath.Join(m.dpkg, "info"), 0o755))
	must(t, os.MkdirAll(filepath.Join(m.dpkg, "updates"), 0o755))
	must(t, os.WriteFile(filepath.Join(m.dpkg, "status"), nil, 0o644))
	script, err := filepath.Abs("testdata/systemd.sh")
	must(t, err)
	before := cgroups(t)
	t.Cleanup(func() { removeNew(t, before) })
	cmd := exec.Command("sh", script, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	start(t, cmd) // and all its processes end with it
	m.pid = cmd.Process.Pid
	eventually(t, "systemd runs", func() bool {
		out, _ := m.run("systemctl", "is-system-running")
		return strings.TrimSpace(out) == "running"
	})
	return m
}

// run runs a command in the systemd's namespaces.
func (m systemd) run(args ...string) (string, error) {
	enter := []string{"-t", strconv.Itoa(m.pid), "-m", "-p", "--"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return string(out), err
}

func (m systemd) must(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("%q: %v\n%s\nthe service said:\n%s", args, err, out, m.said())
	}
	return out
}

// said is the service's output on standard error.
func (m systemd) said() string {
	b, _ := os.ReadFile(filepath.Join(m.dir, "said"))
	return string(b)
}

// nothingLeft looks for files of the package, and for files that the service and its unit
// leave elsewhere.
func (m systemd) nothingLeft(files []string) {
	m.t.Helper()
	if out, _ := m.run("systemctl", "show", "-P", "LoadState", "ktlstop"); strings.TrimSpace(out) != "not-found" {
		m.t.Errorf("the unit is %s", out)
	}
	if _, err := http.Get(metricsURL); err == nil {
		m.t.Error("somebody still serves")
	}
	files = append(files, "/var/lib/ktlstop", "/var/lib/private/ktlstop", "/var/cache/ktlstop", "/run/ktlstop",
		"/etc/systemd/system/multi-user.target.wants/ktlstop.service")
	for _, file := range files {
		if !strings.Contains(file, "ktlstop") || strings.HasSuffix(file, ".service.d") {
			continue // a directory of other packages
		}
		if out, err := m.run("ls", "-d", file); err == nil {
			m.t.Errorf("left: %s", out)
		}
	}
}

const metricsURL = "http://127.0.0.1:9998/metrics"

func scrape(t *testing.T) string {
	t.Helper()
	answer, err := http.Get(metricsURL)
	must(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s\n%s", answer.Status, page)
	}
	return string(page)
}

func playRounds(t *testing.T) {
	t.Helper()
	if _, stderr, status := ktlstop(t, "gen", "--rounds", "2"); status != 0 {
		t.Fatal(stderr)
	}
}

func debianPackage(t *testing.T) string {
	t.Helper()
	debs, err := filepath.Glob("../bin/packages/ktlstop_*_amd64.deb")
	must(t, err)
	if len(debs) != 1 {
		t.Fatalf("packages in bin/packages: %q: make packages", debs)
	}
	deb, err := filepath.Abs(debs[0])
	must(t, err)
	return deb
}

// cgroups are the directories of the hierarchy, the deepest last.
func cgroups(t *testing.T) []string {
	t.Helper()
	var dirs []string
	must(t, filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	}))
	return dirs
}

// removeNew removes the cgroups of a systemd that has ended.
func removeNew(t *testing.T, before []string) {
	t.Helper()
	after := cgroups(t)
	slices.Reverse(after)
	for _, dir := range after {
		if !slices.Contains(before, dir) {
			eventually(t, dir+" is empty", func() bool { return os.Remove(dir) == nil })
		}
	}
}

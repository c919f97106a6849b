package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A root is a tree of Debian's programs (internal/vm, roots.go), which run in it after a
// chroot. Files in /tmp and /run have the same path inside and outside.
type root struct{ dir string }

// openRoot finds the tree that make roots has unpacked, and bind-mounts the parts of a
// system that programs expect.
func openRoot(t *testing.T, name string) *root {
	t.Helper()
	if !inGuest() {
		t.Fatal("mounts of a guest go with it, those of this machine would stay")
	}
	dir, err := filepath.EvalSymlinks(filepath.Join("../../bin/root", name))
	if err != nil {
		t.Fatalf("the programs are missing: make roots unpacks them (%v)", err)
	}
	r := &root{dir}
	// Shared, so that later mounts are seen inside too.
	must(t, unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""))
	for _, d := range []string{"proc", "sys", "dev", "run", "tmp"} {
		r.bind(t, d)
	}
	return r
}

// bind shows a directory of the guest in the tree, at the same path.
func (r *root) bind(t *testing.T, dir string) {
	t.Helper()
	inside := filepath.Join(r.dir, dir)
	must(t, os.MkdirAll(inside, 0o755))
	var outer, inner unix.Stat_t
	must(t, unix.Stat("/"+dir, &outer))
	must(t, unix.Stat(inside, &inner))
	if outer.Dev == inner.Dev && outer.Ino == inner.Ino {
		return // another test of this guest has done it
	}
	must(t, unix.Mount("/"+dir, inside, "", unix.MS_BIND|unix.MS_REC, ""))
}

// command is a program of the tree. A name without a slash is looked up there.
func (r *root) command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	return &exec.Cmd{
		Path:        r.find(t, name),
		Args:        append([]string{name}, args...),
		Dir:         "/",
		Env:         []string{"PATH=/usr/sbin:/usr/bin", "LC_ALL=C", "HOME=/root"},
		SysProcAttr: &syscall.SysProcAttr{Chroot: r.dir},
	}
}

func (r *root) find(t *testing.T, name string) string {
	t.Helper()
	if strings.Contains(name, "/") {
		return name
	}
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if _, err := os.Stat(filepath.Join(r.dir, dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	t.Fatalf("%s has no program %s: is its package among those of internal/vm/roots.go?", r.dir, name)
	return ""
}

// start runs a program until the test ends, which ends it as its own manager would. Its
// output goes to a file that is shown if the test fails. It returns when a process
// listens on all of these ports.
func start(t *testing.T, cmd *exec.Cmd, ports ...int) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	must(t, err)
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		stop(cmd, ended)
		if b, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s said:\n%s", cmd.Path, b)
		}
		log.Close()
	})
	for _, port := range ports {
		until(t, fmt.Sprintf("%s listens on port %d", cmd.Path, port), func() bool {
			if len(ended) > 0 {
				err := <-ended
				ended <- err // for stop
				t.Fatalf("%s ended: %v", cmd.Path, err)
			}
			return listens(t, port)
		})
	}
}

// stop ends a program that was started, if it still runs.
func stop(cmd *exec.Cmd, ended <-chan error) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	<-ended // a signal's end is no failure
}

// run runs a program to its end and returns what it wrote.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	must(t, cmd.Start())
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, &stdout, &stderr)
	}
	return stdout.String() + stderr.String()
}

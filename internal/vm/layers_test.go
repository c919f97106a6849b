package vm

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestFilesOfOwnProcessor(t *testing.T) {
	f, err := filesOf("/", archOf(runtime.GOARCH))
	if err != nil || !slices.Equal(f.exports, []export{{"root", "/"}}) || len(f.layers) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestFilesOf: a guest with a root of its own has this machine's folders and its own system.
func TestFilesOf(t *testing.T) {
	root, work := t.TempDir(), t.TempDir()
	t.Chdir(work)
	t.Setenv("KTLSTOP_CACHE", filepath.Join(work, "cache"))
	f, err := filesOf(root, &arch{name: "riscv64"})
	if err != nil || !slices.Equal(f.exports, []export{{"root", root}, {"host", "/"}}) {
		t.Fatalf("exports %v, %v", f.exports, err)
	}
	seen := func(path string) bool {
		return slices.ContainsFunc(f.layers[1:], func(l layer) bool {
			in, err := filepath.Rel(l.Target, path)
			return err == nil && filepath.IsLocal(in) && slices.Equal(l.Lower, []string{"host" + l.Target})
		})
	}
	for path, want := range map[string]bool{work: true, filepath.Join(work, "cache"): true, "/var/tmp": true, "/usr/bin": false, "/etc": false, "/proc": false} {
		if seen(path) != want {
			t.Errorf("%s seen: %v, by %v", path, !want, f.layers)
		}
	}
}

// TestFilesOfPrograms: the folder of this program has the other processor's programs above its own.
func TestFilesOfPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Dir(self)
	if err := os.Mkdir(filepath.Join(bin, "riscv64"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(filepath.Join(bin, "riscv64")) })
	f, err := filesOf(t.TempDir(), &arch{name: "riscv64"})
	last := f.layers[len(f.layers)-1]
	if err != nil || last.Target != bin || !slices.Equal(last.Lower, []string{"programs", "host" + bin}) {
		t.Errorf("last %+v, %v", last, err)
	}
}

// TestArchOf: the processor is one of the words of a name.
func TestArchOf(t *testing.T) {
	for name, want := range map[string]string{"6.12": "amd64", "6.1.0-50-rt-amd64": "amd64", "6.12-arm64-16k": "arm64", "7.3.4+deb13-cloud-arm64": "arm64", "": "amd64"} {
		if got := archOf(name).name; got != want {
			t.Errorf("%q is for %s, want %s", name, got, want)
		}
	}
}

// TestBuildPackages: modules for another processor have a compiler for it, and a directory of their
// own.
func TestBuildPackages(t *testing.T) {
	other := &arch{name: "riscv64", triple: "riscv64-linux-gnu"}
	if got := other.buildPackages(); got[0] != "gcc-14-riscv64-linux-gnu" || slices.Contains(got, "gcc-12") || !slices.Contains(got, "make") {
		t.Errorf("for another: %q", got)
	}
	if got := archOf(runtime.GOARCH).buildPackages(); got[0] != "gcc-14" || got[1] != "gcc-12" {
		t.Errorf("for this one: %q", got)
	}
	if got := other.buildDir("/cache"); got != "/cache/kmod-riscv64" {
		t.Errorf("cached in %s", got)
	}
}

// TestStartFailure returns a shell's exit statuses, and advice for a program of another processor.
func TestStartFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{os.ErrNotExist, 127, "not exist"},
		{syscall.EACCES, 126, "permission denied"},
		{syscall.ENOEXEC, 126, "processor is " + runtime.GOARCH},
	} {
		got := startFailure(&os.PathError{Op: "run", Path: "x", Err: c.err})
		if got.Code != c.code || !strings.Contains(got.Err, c.says) {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}

package vm

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

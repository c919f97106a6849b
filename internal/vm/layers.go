package vm

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A layer is a directory of the guest whose files come from this machine: from the directories in
// Lower, in order of precedence. Each is the tag of an export, and a path in it. The guest's writes
// go above them.
type layer struct {
	Target string
	Lower  []string
}

// An export is a directory of this machine that the guest mounts by its tag, and never writes to.
type export struct{ tag, dir string }

// files are the layers of a guest, its root first.
type files struct {
	exports []export
	layers  []layer
}

// filesOf returns the files of a guest with this root. With a root of its own it sees this
// machine's files too, at the same paths, except the system's. In the folder of this program it
// finds the programs of its own processor if there are any, so that a command is the same on every
// kernel: bin/ktlstop is bin/arm64/ktlstop there.
func filesOf(root string, a *arch) (files, error) {
	f := files{[]export{{"root", root}}, []layer{{"/", []string{"root"}}}}
	if a.ownRoot() {
		return f, nil
	}
	f.exports = append(f.exports, export{"host", "/"})
	dirs, err := visible(root)
	if err != nil {
		return f, err
	}
	for _, dir := range dirs {
		f.layers = append(f.layers, layer{dir, []string{"host" + dir}})
	}
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	bin := filepath.Dir(self)
	if programs := filepath.Join(bin, a.name); exists(programs) {
		f.exports = append(f.exports, export{"programs", programs}) // one of its own, since layers may not overlap
		f.layers = append(f.layers, layer{bin, []string{"programs", "host" + bin}})
	}
	return f, nil
}

// system are the top-level directories that a root has of its own.
var system = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"}

// visible are the directories of this machine that do not belong to the system: top-level ones, the
// temporary ones, and those where this program runs and caches.
func visible(root string) ([]string, error) {
	entries, err := os.ReadDir("/")
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		if dir := "/" + e.Name(); e.IsDir() && !slices.Contains(system, dir) {
			dirs = append(dirs, dir)
		}
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"/var/tmp", os.TempDir(), cache, here} {
		of := func(d string) bool { return dir == d || strings.HasPrefix(dir, d+"/") }
		if !slices.ContainsFunc(dirs, of) && (dir == "/var/tmp" || !exists(filepath.Join(root, dir))) {
			dirs = append(dirs, dir)
		}
	}
	return dirs, nil
}

// ownRoot reports whether this machine's programs run on a processor.
func (a *arch) ownRoot() bool { return a.name == runtime.GOARCH }

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// A moduleSource is the folder of one kernel module, which has the module's name.
type moduleSource struct {
	name  string
	files map[string][]byte // the files that the kernel's build reads, by the path below the folder
}

// findModules reads all folders of src that the kernel's build can use.
func findModules(src string) ([]moduleSource, error) {
	found, err := filepath.Glob(filepath.Join(src, "*", "Kbuild"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no folder of %s has a Kbuild: run it in the module's root", src)
	}
	var modules []moduleSource
	for _, kbuild := range found {
		m, err := readModule(filepath.Dir(kbuild))
		if err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	return modules, nil
}

func readModule(dir string) (moduleSource, error) {
	m := moduleSource{filepath.Base(dir), map[string][]byte{}}
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !forKbuild(name) {
			return err
		}
		m.files[name], err = fs.ReadFile(tree, name)
		return err
	})
	return m, err
}

// forKbuild leaves out documents, packaging and the files of a build in the folder itself.
func forKbuild(name string) bool {
	ext := path.Ext(name)
	return path.Base(name) == "Kbuild" || ext == ".h" || ext == ".c" && path.Ext(name[:len(name)-2]) != ".mod"
}

// recipe counts the changes of how modules are built (buildRoot.make) that make the cached modules
// useless.
const recipe = 1

// key identifies a build of these files for a kernel, by a build root: the same key, the same
// module.
func (m *moduleSource) key(k *Kernel, root string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%s\n", recipe, k.Release, root)
	for _, name := range m.names() {
		fmt.Fprintf(h, "%s %d\n", name, len(m.files[name]))
		h.Write(m.files[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func (m *moduleSource) names() (names []string) {
	for name := range m.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// write puts the files into a directory.
func (m *moduleSource) write(dir string) error {
	for _, name := range m.names() {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, m.files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// builtFor returns the built module's file in the cache, and builds it if it is missing.
func (m *moduleSource) builtFor(ctx context.Context, cache string, k *Kernel) (string, error) {
	dir := filepath.Join(cache, "built", k.Release)
	root, ok := cachedRoot(cache)
	if ok {
		if ko := filepath.Join(dir, m.name+"-"+m.key(k, filepath.Base(root))+".ko"); exists(ko) {
			return ko, nil
		}
	}
	if err := knownMissing(cache, k); err != nil {
		return "", err
	}
	b, err := openRoot(ctx, cache, k.arch())
	if err != nil {
		return "", err
	}
	if err := b.addHeaders(ctx, cache, k); err != nil {
		return "", err
	}
	built, err := b.make(ctx, k, m)
	if err != nil {
		return "", err
	}
	ko := filepath.Join(dir, m.name+"-"+m.key(k, filepath.Base(b.dir))+".ko")
	if err := replaceFile(ko, built); err != nil {
		return "", err
	}
	removeOld(filepath.Join(dir, m.name+"-*.ko"))
	return ko, nil
}

// keepBuilt is how long a module of other sources is kept: a developer may switch between two
// versions.
const keepBuilt = 7 * 24 * time.Hour

func removeOld(pattern string) {
	files, _ := filepath.Glob(pattern)
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > keepBuilt {
			os.Remove(name)
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

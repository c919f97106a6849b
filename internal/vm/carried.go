package vm

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Debian's cloud kernels have no 9p, by which a guest sees the host's files. Such a guest has the
// files that it runs in its initramfs, at the path where it otherwise mounts the host's root
// (mountExport).
const carriedRoot = "lower/root"

// carriedPrograms are the programs that vmtest, or a test's first lines, run besides the tested
// ones.
var carriedPrograms = []string{"modprobe", "cat", "dmesg"}

// sharesFiles reports whether a kernel can mount the host's files.
func (d moduleDeps) sharesFiles() bool { return len(d["9p"]) > 0 }

// carried lists the files and the empty folders of a guest that cannot see the host's: the
// requested ones, the programs above, and the modules that guests load. Programs are listed with
// their libraries.
func carried(k *Kernel, deps moduleDeps, wanted []string) ([]string, error) {
	var all []string
	for _, name := range carriedPrograms {
		wanted = append(wanted, lookPath(name))
	}
	for _, file := range wanted {
		if file == "" {
			continue // the host may lack some
		}
		with, err := withLibraries(file)
		if err != nil {
			return nil, fmt.Errorf("a file for the guest: %w", err)
		}
		all = append(all, with...)
	}
	for _, file := range deps.closure(guestModules) {
		all = append(all, filepath.Join(k.Modules(), strings.TrimSuffix(file, ".xz")))
	}
	lists, err := filepath.Glob(filepath.Join(k.Modules(), "modules.*"))
	if err != nil {
		return nil, err
	}
	all = append(append(all, lists...), "/tmp")
	slices.Sort(all)
	return slices.Compact(all), nil
}

// allFiles are the files of vmrun's flag, the command's program and its working directory, as
// absolute paths.
func allFiles(named []string, dir, program string) ([]string, error) {
	if path, err := findProgram(program, os.Getenv("PATH"), dir); err == nil {
		named = append(slices.Clone(named), path)
	}
	files := []string{dir}
	for _, file := range named {
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if !exists(file) {
			return nil, fmt.Errorf("file: no %s", file)
		}
		files = append(files, file)
	}
	return files, nil
}

// libraryDirs are the paths of the dynamic loader, by Debian's defaults.
var libraryDirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"}

// withLibraries returns a file and, if it is a dynamically linked program, its loader and all its
// libraries.
func withLibraries(file string) ([]string, error) {
	all := []string{file}
	for i := 0; i < len(all); i++ { // grows by the dependencies of each one
		needs, err := linkedTo(all[i])
		if err != nil {
			return nil, err
		}
		for _, name := range needs {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

// linkedTo lists the loader and the libraries that a file names, as paths.
func linkedTo(file string) (needs []string, err error) {
	if info, err := os.Stat(file); err != nil || info.IsDir() {
		return nil, err
	}
	f, err := elf.Open(file)
	if format := new(elf.FormatError); errors.As(err, &format) || errors.Is(err, io.EOF) {
		return nil, nil // a script, or not a program
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			name := make([]byte, p.Filesz)
			if _, err := p.ReadAt(name, 0); err != nil {
				return nil, fmt.Errorf("%s: its loader: %w", file, err)
			}
			needs = append(needs, strings.TrimRight(string(name), "\x00"))
		}
	}
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("%s: its libraries: %w", file, err)
	}
	for _, name := range names {
		path, err := findLibrary(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		needs = append(needs, path)
	}
	return needs, nil
}

func findLibrary(name string) (string, error) {
	for _, dir := range libraryDirs {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no library %s in %s", name, strings.Join(libraryDirs, ", "))
}

// carry stores the requested files, and the other carried ones, below carriedRoot.
func carry(c *cpioWriter, k *Kernel, deps moduleDeps, wanted []string) error {
	files, err := carried(k, deps, wanted)
	if err != nil {
		return err
	}
	c.dir(carriedRoot)
	made := map[string]bool{}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		dir := file
		if !info.IsDir() {
			dir = filepath.Dir(file)
		}
		makeDirs(c, dir, made)
		if info.IsDir() {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		c.file(carriedRoot+file, data)
	}
	return nil
}

// makeDirs stores a folder after those above it, each once.
func makeDirs(c *cpioWriter, dir string, made map[string]bool) {
	if dir == "/" || made[dir] {
		return
	}
	makeDirs(c, filepath.Dir(dir), made)
	made[dir] = true
	c.dir(carriedRoot + dir)
}

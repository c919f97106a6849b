package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// allShares returns the directories of -share and those that a Go test binary writes its results to.
func allShares(named []string, dir string, args []string) ([]string, error) {
	var shares []string
	for _, d := range append(slices.Clone(named), testOutputs(dir, args[1:])...) {
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		d = filepath.Clean(d)
		if info, err := os.Stat(d); err != nil {
			return nil, fmt.Errorf("share: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("share: %s is not a directory", d)
		}
		if !slices.Contains(shares, d) {
			shares = append(shares, d)
		}
	}
	return shares, nil
}

// fileFlags and dirFlags are the flags of a Go test binary that name an output file and an output directory.
var (
	fileFlags = []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"}
	dirFlags  = []string{"outputdir", "gocoverdir", "fuzzcachedir"}
)

// testOutputs finds the directories that the flags of a test binary name. A file's path is relative to -test.outputdir.
func testOutputs(dir string, args []string) []string {
	var files, dirs []string
	for i, arg := range args {
		name, value, ok := testFlag(arg, args[i+1:])
		switch {
		case !ok || value == "":
		case slices.Contains(fileFlags, name):
			files = append(files, value)
		case slices.Contains(dirFlags, name):
			dirs = append(dirs, value)
			if name == "outputdir" {
				dir = value
			}
		}
	}
	for _, f := range files {
		if !filepath.IsAbs(f) {
			f = filepath.Join(dir, f)
		}
		dirs = append(dirs, filepath.Dir(f))
	}
	return dirs
}

// testFlag splits -test.name=value, or -test.name value.
func testFlag(arg string, next []string) (name, value string, ok bool) {
	arg, ok = strings.CutPrefix(strings.TrimPrefix(arg, "-"), "-test.")
	if !ok {
		arg, ok = strings.CutPrefix(arg, "test.")
	}
	name, value, joined := strings.Cut(arg, "=")
	if ok && !joined && len(next) > 0 {
		value = next[0]
	}
	return name, value, ok
}

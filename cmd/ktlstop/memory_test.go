package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestMemoryLimit: the least one counts, of the cgroup itself or one above it, and never that of
// a file elsewhere.
func TestMemoryLimit(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cgroup")
	for dir, text := range map[string]string{"a/b": "536870912\n", "a": "max\n", "low": "1000000\n", "low/high": "2000000\n", "..": "7\n", "odd": "soon\n"} {
		err := os.MkdirAll(filepath.Join(root, dir), 0o700)
		if err = errors.Join(err, os.WriteFile(filepath.Join(root, dir, "memory.max"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for own, want := range map[string]int64{
		"0::/a/b\n": 512 << 20, "0::/a\n": math.MaxInt64, "0::/low/high\n": 1000000, "0::/\n": math.MaxInt64, "0::/odd\n": math.MaxInt64,
		"0::/gone\n": math.MaxInt64, "0::/../x\n": math.MaxInt64, "": math.MaxInt64, "12:memory:/low\n1:name=systemd:/\n": math.MaxInt64,
	} {
		if got := memoryLimit(root, own); got != want {
			t.Errorf("%q: %d, want %d", own, got, want)
		}
	}
}

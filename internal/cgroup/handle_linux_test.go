package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// openOwn opens this machine's cgroups by their ids, where that can be.
func openOwn(t testing.TB) *handles {
	t.Helper()
	for _, root := range mounts {
		if h, err := openHandles(root); err == nil {
			t.Cleanup(func() { h.dir.Close() })
			return h
		}
	}
	t.Skip("no cgroups, or not root: make vmtest runs this in a guest")
	return nil
}

// TestHandles: an id leads to its path, and that of a cgroup that is gone to none.
func TestHandles(t *testing.T) {
	h := openOwn(t)
	dir := filepath.Join(h.root, fmt.Sprintf("ktlstop-%d.slice", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip(err) // cgroups that are not to be changed, as in a container
	}
	id := inode(t, dir)
	path, err := h.path(id)
	if rm := os.Remove(dir); rm != nil {
		t.Error(rm)
	}
	if err != nil || path != "/"+filepath.Base(dir) {
		t.Errorf("%s is %q, %v", dir, path, err)
	}
	if path, err := h.path(id); !errors.Is(err, unix.ESTALE) {
		t.Errorf("a cgroup that is gone is %q, %v", path, err)
	}
	if _, err := openHandles(t.TempDir()); err == nil {
		t.Error("any directory has cgroups")
	}
}

func BenchmarkHandle(b *testing.B) {
	h := openOwn(b)
	id := inode(b, h.root)
	for b.Loop() {
		if _, err := h.path(id); err != nil {
			b.Fatal(err)
		}
	}
}

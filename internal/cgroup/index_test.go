package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// inode makes a directory and returns its number.
func inode(t testing.TB, path string) uint64 {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

func TestWalk(t *testing.T) {
	root := t.TempDir()
	web := inode(t, filepath.Join(root, "docker", id))
	service := inode(t, filepath.Join(root, "system.slice", "nginx.service"))
	x := newIndex(root)
	now := time.Unix(1000, 0)
	x.now = func() time.Time { return now }
	check := func(what string, id uint64, want Place, found bool) {
		t.Helper()
		if got, ok := x.Place(id); got != want || ok != found {
			t.Errorf("%s: %+v, found %v", what, got, ok)
		}
	}
	check("a container", web, Place{Container: id}, true)
	check("a service", service, Place{Unit: "nginx.service"}, true)
	check("no id", 0, Place{}, false)
	late := inode(t, filepath.Join(root, "docker", other))
	check("a new container at once", late, Place{}, false)
	now = now.Add(settle)
	check("no cgroup", 1<<63, Place{}, false)
	check("a new container", late, Place{Container: other}, true)
	latest := inode(t, filepath.Join(root, "latest.service"))
	now = now.Add(settle)
	check("no cgroup again", 1<<63, Place{}, false)
	if _, ok := x.tree[latest]; ok {
		t.Error("the tree is walked again and again for a cgroup that is gone")
	}
	x = newIndex("")
	check("without cgroups", web, Place{}, false)
}

// The walk of a busy node's tree, which is what is left without CAP_DAC_READ_SEARCH.
func BenchmarkWalk50k(b *testing.B) {
	root := b.TempDir()
	const pods, each = 500, 99
	for i := range pods {
		for j := range each {
			inode(b, filepath.Join(root, "kubepods", fmt.Sprint("pod", i), fmt.Sprint(j)))
		}
	}
	for b.Loop() {
		if len(walk(root)) < maxDirs {
			b.Fatal("not all was found")
		}
	}
}

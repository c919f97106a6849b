package cgroup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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
	walks := 0
	// settled is when Run would walk, if that is wanted.
	settled := func() {
		now = now.Add(retryAfter)
		select {
		case <-x.wanted:
			x.walk(t.Context())
			walks++
		default:
		}
	}
	check := func(what string, id uint64, want Place, found bool) {
		t.Helper()
		if got, ok := x.Place(id); got != want || ok != found {
			t.Errorf("%s: %+v, found %v", what, got, ok)
		}
	}
	check("before the first walk", web, Place{}, false)
	settled()
	check("a container", web, Place{Container: id}, true)
	check("a service", service, Place{Unit: "nginx.service"}, true)
	check("no id", 0, Place{}, false)
	late := inode(t, filepath.Join(root, "docker", other))
	check("a new container at once", late, Place{}, false)
	check("no cgroup", 1<<63, Place{}, false)
	settled()
	check("a new container", late, Place{Container: other}, true)
	latest := inode(t, filepath.Join(root, "latest.service"))
	check("no cgroup again", 1<<63, Place{}, false)
	settled()
	check("no cgroup again", 1<<63, Place{}, false)
	if walks != 2 {
		t.Errorf("the tree is walked %d times, also for a cgroup that is gone", walks)
	}
	now = now.Add(missedFor)
	check("no cgroup after a while", 1<<63, Place{}, false)
	settled()
	check("what came meanwhile", latest, Place{Unit: "latest.service"}, true)
	x = newIndex("")
	check("without cgroups", web, Place{}, false)
}

// TestWalksBesideTheEvents: whoever asks waits for no walk, and Run makes one.
func TestWalksBesideTheEvents(t *testing.T) {
	root := t.TempDir()
	service := inode(t, filepath.Join(root, "nginx.service"))
	x := newIndex(root)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if x.Refresh(ctx); x.tree != nil {
		t.Error("a walk that was cut short counts")
	}
	if _, ok := x.Place(service); ok {
		t.Fatal("the tree was walked by who asks")
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	for {
		if p, ok := x.Place(service); ok {
			if p.Unit != "nginx.service" {
				t.Errorf("%+v", p)
			}
			break
		}
		runtime.Gosched()
	}
	cancel()
	<-done
	x = newIndex(root)
	if x.Refresh(t.Context()); len(x.tree) != 2 {
		t.Errorf("before the first event %d directories are known", len(x.tree))
	}
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
		if len(walk(b.Context(), root)) < maxDirs {
			b.Fatal("not all was found")
		}
	}
}

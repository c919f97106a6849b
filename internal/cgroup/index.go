package cgroup

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// mounts are where version 2 of the cgroups is mounted, and where it is beside
// version 1.
var mounts = []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}

const (
	// maxDirs bounds the directories looked at and kept.
	maxDirs = 50_000
	// settle is how long an id that was not found stays so: a new container's
	// first record may come from a cgroup that no walk has seen.
	settle = 2 * time.Second
)

// Index knows the containers of cgroup ids, which are the inode numbers of the
// directories. It walks the tree when it meets an id that it does not know, and
// not more often than each settle. It is not safe for concurrent use.
type Index struct {
	root   string
	now    func() time.Time
	ids    map[uint64]string // container; empty for none
	walked time.Time
}

// NewIndex returns an Index of this machine's cgroups.
func NewIndex() *Index {
	for _, root := range mounts {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
			return newIndex(root)
		}
	}
	return newIndex("")
}

func newIndex(root string) *Index {
	return &Index{root: root, now: time.Now, ids: map[uint64]string{}}
}

// Container returns the container that the cgroup with this id belongs to,
// empty if there is none, or none that is known.
func (x *Index) Container(id uint64) string {
	if c, ok := x.ids[id]; ok || id == 0 || x.root == "" {
		return c
	}
	if now := x.now(); now.Sub(x.walked) >= settle {
		x.walk()
		x.walked = x.now()
		if _, ok := x.ids[id]; !ok && len(x.ids) < maxDirs {
			x.ids[id] = "" // gone, or out of this process's sight
		}
	}
	return x.ids[id]
}

// walk reads the whole tree anew, since ids of cgroups that are gone are used
// again. What it cannot read it leaves out.
func (x *Index) walk() {
	clear(x.ids)
	_ = filepath.WalkDir(x.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil || !d.IsDir():
			return nil
		case len(x.ids) >= maxDirs:
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil // gone already
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			x.ids[st.Ino] = ContainerOf(path[len(x.root):])
		}
		return nil
	})
}

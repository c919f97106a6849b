// Package cgroup finds out what a cgroup stands for: a unit of systemd, a container, a
// pod.
package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ktlstop/ktlstop/internal/lru"
)

// mounts are where version 2 of the cgroups is mounted, and where it is beside
// version 1.
var mounts = []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}

const (
	// maxDirs bounds the directories that a walk looks at and keeps.
	maxDirs = 50_000
	// maxMissed bounds the ids remembered that were not found.
	maxMissed = 1024
	// settle is how long an id that was not found stays so.
	settle = 2 * time.Second
	// missedFor is how long no walk is made for an id that one has not found.
	missedFor = time.Minute
)

// Index knows the places of cgroup ids, which are the inode numbers of the
// directories. It asks the kernel for the path of one. Where that cannot be, it walks the
// whole tree when it meets an id that it does not know, and not more often than each
// settle. It is not safe for concurrent use.
type Index struct {
	root    string
	now     func() time.Time
	handles *handles // nil: the tree is walked
	note    string
	missed  *lru.Map[uint64, time.Time]
	tree    map[uint64]Place
	walked  time.Time
}

// NewIndex returns an Index of this machine's cgroups.
func NewIndex() *Index {
	for _, root := range mounts {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		x := newIndex(root)
		var err error
		if x.handles, err = openHandles(root); !isWhole(root) {
			x.note = "units, containers and pods outside of this one's cgroup have no names: " + root + " is a part of the host's tree (mount the host's " + root + " there)"
		} else if err != nil {
			x.note = fmt.Sprintf("names of cgroups are found by walking %s, which takes long where there are many: they cannot be opened by their ids (%v), which takes CAP_DAC_READ_SEARCH", root, err)
		}
		return x
	}
	x := newIndex("")
	x.note = "units, containers and pods have no names: version 2 of the cgroups is not mounted at /sys/fs/cgroup"
	return x
}

// isWhole says whether the root of a mount is that of all cgroups, which has the number 1,
// and not that of a cgroup namespace.
func isWhole(root string) bool {
	info, err := os.Stat(root)
	if err != nil {
		return true // as others will tell
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Ino == 1
}

func newIndex(root string) *Index {
	return &Index{root: root, now: time.Now, missed: lru.New[uint64, time.Time](maxMissed)}
}

// Note says what this machine lacks, and what follows; it is empty where all is well.
func (x *Index) Note() string { return x.note }

// Place returns what the path of the cgroup with this id says, and that it was found:
// not one that is gone, or out of this process's sight. Since Linux 5.5 ids are never
// used again, and directories of cgroups are not renamed: what is found once stays true.
func (x *Index) Place(id uint64) (p Place, found bool) {
	switch {
	case id == 0 || x.root == "":
		return Place{}, false
	case x.handles == nil:
		return x.walkFor(id)
	}
	if when, ok := x.missed.Get(id); ok && x.now().Sub(when) < settle {
		return Place{}, false
	}
	path, err := x.handles.path(id)
	if err != nil {
		x.missed.Put(id, x.now())
		return Place{}, false
	}
	return PlaceOf(path), true
}

// walkFor reads the tree anew for an id that is not in it.
func (x *Index) walkFor(id uint64) (Place, bool) {
	if p, ok := x.tree[id]; ok {
		return p, true
	}
	if x.now().Sub(x.walked) < settle {
		return Place{}, false
	}
	if when, ok := x.missed.Get(id); ok && x.now().Sub(when) < missedFor {
		return Place{}, false
	}
	x.tree = walk(x.root)
	x.walked = x.now()
	p, ok := x.tree[id]
	if !ok {
		x.missed.Put(id, x.walked)
	}
	return p, ok
}

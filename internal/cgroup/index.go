// Package cgroup finds out what a cgroup stands for: a unit of systemd, a container, a
// pod.
package cgroup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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
	// retryAfter is how long an id that was not found stays so, and the least time between
	// two walks.
	retryAfter = 2 * time.Second
	// missedFor is how long no walk is made for an id that one has not found.
	missedFor = time.Minute
)

// Index knows the places of cgroup ids, which are the inode numbers of the
// directories. It asks the kernel for the path of one. Where that cannot be, Run walks the
// whole tree when somebody meets an id that is not known. It may be used from any
// goroutine.
type Index struct {
	root    string
	now     func() time.Time
	handles *handles // nil: the tree is walked
	note    string
	wanted  chan struct{} // has a token if a walk is wanted

	mu     sync.Mutex
	missed *lru.Map[uint64, time.Time] // when they were asked for
	tree   map[uint64]Place
	walked time.Time // when the last walk began
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

// isWhole reports whether the root of a mount is that of all cgroups, which has the number 1,
// and not that of a cgroup namespace.
func isWhole(root string) bool {
	info, err := os.Stat(root)
	if err != nil {
		return true // as others will tell
	}
	n, known := inodeOf(info)
	return !known || n == 1
}

func newIndex(root string) *Index {
	return &Index{root: root, now: time.Now, wanted: make(chan struct{}, 1), missed: lru.New[uint64, time.Time](maxMissed)}
}

// Note says what this machine lacks, and what follows; it is empty where all is well.
func (x *Index) Note() string { return x.note }

// Place returns what the path of the cgroup with this id says, and that it was found:
// not one that is gone, or out of this process's sight, or that no walk has met yet. Since
// Linux 5.5 ids are never used again, and directories of cgroups are not renamed: what is
// found once stays true. It waits for no walk.
func (x *Index) Place(id uint64) (p Place, found bool) {
	if id == 0 || x.root == "" {
		return Place{}, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.handles == nil {
		return x.lookup(id)
	}
	if when, ok := x.missed.Get(id); ok && x.now().Sub(when) < retryAfter {
		return Place{}, false
	}
	path, err := x.handles.path(id)
	if err != nil {
		x.missed.Put(id, x.now())
		return Place{}, false
	}
	return PlaceOf(path), true
}

// lookup is what the last walk has met. For what it has not, another one is wanted, unless that
// was begun since.
func (x *Index) lookup(id uint64) (Place, bool) {
	if p, ok := x.tree[id]; ok {
		return p, true
	}
	now := x.now()
	when, ok := x.missed.Get(id)
	if !ok || now.Sub(when) >= missedFor {
		when = now
		x.missed.Put(id, when)
	}
	if !x.walked.After(when) {
		select {
		case x.wanted <- struct{}{}:
		default: // somebody has asked already
		}
	}
	return Place{}, false
}

// Run walks the tree when that is wanted, and not more often than each settle, until ctx
// ends. Where the kernel knows the paths it returns at once.
func (x *Index) Run(ctx context.Context) {
	for x.walks() {
		select {
		case <-x.wanted:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(x.untilNextWalk()):
			x.walk(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Refresh walks the tree now, where it is walked and the last walk is not of just now.
func (x *Index) Refresh(ctx context.Context) {
	if x.walks() && x.untilNextWalk() == 0 {
		x.walk(ctx)
	}
}

func (x *Index) walks() bool { return x.root != "" && x.handles == nil }

// untilNextWalk is how long no walk is to begin.
func (x *Index) untilNextWalk() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(retryAfter-x.now().Sub(x.walked), 0)
}

// walk reads the tree anew. One that ctx cuts short counts as none.
func (x *Index) walk(ctx context.Context) {
	began := x.now()
	tree := walk(ctx, x.root)
	if ctx.Err() != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tree, x.walked = tree, began
}

// Package names gives processes the names that people use: the unit of systemd, the
// container and the pod that a process is in. The kernel knows only the number of its
// cgroup.
package names

import (
	"sync"

	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxKept bounds the cgroups remembered, of some hundred bytes each.
const maxKept = 8192

// Names fills in names. It may be used from any goroutine. nil knows none.
type Names struct {
	mu    sync.Mutex
	index index
	kept  *lru.Map[uint64, *event.Place]
}

// index is a *cgroup.Index.
type index interface {
	Place(id uint64) (p cgroup.Place, found bool)
	Note() string
}

// New returns the Names of this machine.
func New() *Names { return newNames(cgroup.NewIndex()) }

func newNames(x index) *Names {
	return &Names{index: x, kept: lru.New[uint64, *event.Place](maxKept)}
}

// Notes say what this machine lacks, and what follows.
func (n *Names) Notes() []string {
	if n == nil || n.index.Note() == "" {
		return nil
	}
	return []string{n.index.Note()}
}

// Fill gives p its Place, as far as it is known. It waits for nobody.
func (n *Names) Fill(p *event.Process) {
	if n == nil || p.CgroupID == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p.Place = n.place(p.CgroupID)
}

func (n *Names) place(id uint64) *event.Place {
	if at, ok := n.kept.Get(id); ok {
		return at
	}
	found, ok := n.index.Place(id)
	if !ok {
		return nil
	}
	at := &event.Place{Unit: found.Unit, Container: found.Container, PodUID: found.PodUID}
	n.kept.Put(id, at)
	return at
}

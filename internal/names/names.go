// Package names gives processes the names that people use: the unit of systemd, the
// container and the pod that a process is in. The kernel knows only the number of its
// cgroup.
package names

import (
	"context"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/cgroup"
	"github.com/ktlstop/ktlstop/internal/kubelet"
	"github.com/ktlstop/ktlstop/internal/lru"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// maxEntries limits the cgroups remembered, of some hundred bytes each.
const maxEntries = 8192

// Names fills in names. Any goroutine may use it. A nil Names knows no name.
type Names struct {
	pods *kubelet.Pods // nil: pods have no names

	mu    sync.Mutex
	index index
	entry *lru.Map[uint64, *entry]
}

// index is a *cgroup.Index.
type index interface {
	Place(id uint64) (p cgroup.Place, found bool)
	Refresh(ctx context.Context)
	Run(ctx context.Context)
	Note() string
}

// entry is what is known of a cgroup; whole is true if nothing more can be learned.
type entry struct {
	at    *event.Place
	found cgroup.Place
	whole bool
}

// New returns the Names of this machine, with those of its pods if pods is not nil.
func New(pods *kubelet.Pods) *Names { return newNames(cgroup.NewIndex(), pods) }

func newNames(x index, pods *kubelet.Pods) *Names {
	return &Names{index: x, pods: pods, entry: lru.New[uint64, *entry](maxEntries)}
}

// firstWait is how long a run waits for names, so that its first events have them.
const firstWait = 3 * time.Second

// Prepare asks for the names that Fill is to know at once, and waits a moment for them.
// Outage reports a failure.
func (n *Names) Prepare(ctx context.Context) {
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { n.index.Refresh(ctx) })
	_ = n.pods.Refresh(ctx)
}

// Run keeps the names up to date until ctx ends.
func (n *Names) Run(ctx context.Context) {
	if n == nil {
		return
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { n.index.Run(ctx) })
	n.pods.Run(ctx)
}

// Notes name what this machine lacks, and the consequences.
func (n *Names) Notes() []string {
	if n == nil || n.index.Note() == "" {
		return nil
	}
	return []string{n.index.Note()}
}

// Outage is why pods have no names at present, nil if they have.
func (n *Names) Outage() error {
	if n == nil {
		return nil
	}
	return n.pods.Outage()
}

// Fill sets p's Place, as far as it is known. It does not block.
func (n *Names) Fill(p *event.Process) {
	if n == nil || p.CgroupID == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := n.of(p.CgroupID); k != nil {
		p.Place = k.at
	}
}

func (n *Names) of(id uint64) *entry {
	k, ok := n.entry.Get(id)
	if !ok {
		found, ok := n.index.Place(id)
		if !ok {
			return nil
		}
		k = &entry{found: found, whole: found.PodUID == "",
			at: &event.Place{Unit: found.Unit, Container: found.Container, PodUID: found.PodUID}}
		n.entry.Put(id, k)
	}
	if !k.whole {
		k.named(n.pods.Find(k.found.PodUID, k.found.PodContainer))
	}
	return k
}

// named takes over the names that the kubelet has reported by now. Names that it has
// reported once stay, also when the pod is gone: its last connections may end later.
func (k *entry) named(n kubelet.Names, whole bool) {
	k.whole = whole
	if n.Pod == "" || n.Pod == k.at.Pod && n.Container == k.at.ContainerName {
		return
	}
	at := *k.at
	at.Namespace, at.Pod, at.ContainerName = n.Namespace, n.Pod, n.Container
	k.at = &at
}

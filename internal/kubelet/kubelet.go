// Package kubelet asks the kubelet of this node which pods run here, so that what a
// cgroup's path has of a pod, two ids, becomes names.
//
// It asks GET /pods, which takes the verb get on nodes/pods (KEP-2862; on nodes/proxy
// before Kubernetes 1.33), and no API server: one small answer a minute from the same
// machine.
package kubelet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/lru"
)

const (
	// every is how often the pods are asked for without a reason.
	every = time.Minute
	// soonest is the least time between two questions; it doubles up to every while
	// there is no answer, and while a pod that was asked for stays unknown.
	soonest = 2 * time.Second
	// maxMissed bounds what is remembered of pods that are not known.
	maxMissed = 1024
)

// Names are those of a container.
type Names struct{ Namespace, Pod, Container string }

// Pods are the pods of this node, as they were reported last. Find may be called from any
// goroutine. nil knows none.
type Pods struct {
	cfg Config
	ask func(context.Context) (map[string]*pod, error)

	mu        sync.Mutex
	pods      map[string]*pod // by UID
	missed    *lru.Map[string, miss]
	outage    error // of the last question
	wanted    chan struct{}
	turn      chan struct{} // has a token while one Run asks
	limitOnce sync.Once     // of what Notice is reported
}

// pod is what is kept of one.
type pod struct {
	namespace, name string
	containers      map[string]string // names by id
}

// miss is what was not found: when it is worth a question again, and how long after
// that.
type miss struct {
	next time.Time
	gap  time.Duration
}

// New returns Pods of which nothing is known yet. The error says what is wrong with cfg.
func New(cfg Config) (*Pods, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := newPods(cfg)
	p.ask = p.fetch
	return p, nil
}

func newPods(cfg Config) *Pods {
	return &Pods{cfg: cfg, missed: lru.New[string, miss](maxMissed), wanted: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// Find returns the names of a container, by its id and its pod's UID; without an id those
// of the pod. It waits for nobody: what is not known is asked for by Run, and whole is
// false until then. The pod's names may be known before those of a container that has
// just begun.
func (p *Pods) Find(uid, container string) (n Names, whole bool) {
	if p == nil {
		return n, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.pods[uid]; known != nil {
		n = Names{Namespace: known.namespace, Pod: known.name}
		if n.Container, whole = known.containers[container]; whole || container == "" {
			return n, true
		}
	}
	p.miss(uid + "/" + container)
	return n, false
}

// miss asks for what is not known, and less and less often.
func (p *Pods) miss(key string) {
	now := time.Now()
	m, _ := p.missed.Get(key)
	if now.Before(m.next) {
		return
	}
	m.gap = min(max(2*m.gap, soonest), every)
	m.next = now.Add(m.gap)
	p.missed.Put(key, m)
	select {
	case p.wanted <- struct{}{}:
	default: // somebody has asked already
	}
}

// Outage is why the last question had no answer, nil if it had one.
func (p *Pods) Outage() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outage
}

// Refresh asks for the pods now. What fails is reported, as of Run.
func (p *Pods) Refresh(ctx context.Context) error {
	if p == nil {
		return nil
	}
	pods, err := p.ask(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // nobody wants to know any more
	}
	p.mu.Lock()
	before := p.outage
	p.outage = err
	if err == nil {
		p.pods = pods
	}
	p.mu.Unlock()
	if (before == nil) != (err == nil) && p.cfg.Notify != nil {
		p.cfg.Notify(err)
	}
	return err
}

// Run asks for the pods each minute, and sooner if there is one that is not known, until
// ctx ends. Beside another Run it waits until that ends, and goes on in its place.
func (p *Pods) Run(ctx context.Context) {
	if p == nil {
		return
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-p.turn }()
	gap := soonest
	for wait(ctx, nil, gap) && wait(ctx, p.wanted, every-gap) {
		if p.Refresh(ctx) == nil {
			gap = soonest
		} else {
			gap = min(2*gap, every)
		}
	}
}

// wait waits for so long, or until early tells; false is that ctx has ended.
func wait(ctx context.Context, early <-chan struct{}, long time.Duration) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-early:
	case <-timer.C:
	}
	return true
}

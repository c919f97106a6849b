// Package kubelet asks the kubelet of this node which pods run here, so that the two ids
// of a pod in a cgroup's path become names.
//
// It requests GET /pods, which needs the verb get on nodes/pods (KEP-2862; on nodes/proxy
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
	// every is the interval of requests without a reason.
	every = time.Minute
	// soonest is the shortest interval between two requests; it doubles up to every while
	// requests fail, and while a wanted pod stays unknown.
	soonest = 2 * time.Second
	// maxMissed limits how many unknown pods are remembered.
	maxMissed = 1024
)

// Names are the names of a container.
type Names struct{ Namespace, Pod, Container string }

// Pods are the pods of this node, as the kubelet last reported them. Any goroutine may
// call Find. A nil Pods knows no pod.
type Pods struct {
	cfg Config
	ask func(context.Context) (map[string]*pod, error)

	mu        sync.Mutex
	pods      map[string]*pod // by UID
	missed    *lru.Map[string, miss]
	outage    error // of the last request
	wanted    chan struct{}
	turn      chan struct{} // has a token while one Run makes requests
	limitOnce sync.Once     // of what Notice was given
}

// pod is what is kept of a pod.
type pod struct {
	namespace, name string
	containers      map[string]string // names by id
}

// miss is a pod that was not found: when to ask again, and how long to wait after that.
type miss struct {
	next time.Time
	gap  time.Duration
}

// New returns Pods that know no pod yet. The error says what is wrong with cfg.
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
// of the pod. It does not block: Run asks for unknown pods, and whole is false until
// then. The pod's names may be known before those of a container that has just started.
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

// miss requests an unknown pod, at growing intervals.
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
	default: // it is already requested
	}
}

// Outage is why the last request failed, nil if it succeeded.
func (p *Pods) Outage() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.outage
}

// Refresh asks for the pods now. It reports failures as Run does.
func (p *Pods) Refresh(ctx context.Context) error {
	if p == nil {
		return nil
	}
	pods, err := p.ask(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // nobody waits for the answer any more
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

// Run asks for the pods each minute, and sooner if one is unknown, until ctx ends. A
// second Run waits until the first one ends, and takes its place.
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

// wait waits for the given time, or until early has a value; it returns false if ctx has
// ended.
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

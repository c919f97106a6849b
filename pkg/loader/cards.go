//go:build linux && (amd64 || arm64)

package loader

import (
	"context"
	"maps"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// cards are the hooks for connections of network cards, which most machines never have: they
// are loaded and attached when the first such connection appears. That takes up to a second,
// so that a goroutine does it; end waits for it. What they would have seen before is not
// known, and is reported as not known.
type cards struct {
	cancel   context.CancelFunc
	done     chan struct{} // closed when the rest is there
	reported bool

	programs map[string]*ebpf.Program
	links    []link.Link
	states   []HookState
	missing  []string
}

// attachCards starts the goroutine if such a connection has appeared, and waits for it if wait is
// set. When ctx ends, the goroutine takes no further step. When it has ended, attachCards returns
// once the programs and, in words, what is missing.
func (b *ebpfBackend) attachCards(ctx context.Context, wait bool) (added map[string]*ebpf.Program, missing []string) {
	if b.cards == nil && b.cardSeen() {
		b.cards = loadCards(ctx, &b.cfg, b.coll.Maps)
	}
	c := b.cards
	if c == nil || c.reported {
		return nil, nil
	}
	if wait {
		<-c.done
	}
	select {
	case <-c.done:
	default:
		return nil, nil
	}
	c.reported = true
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hooks = append(b.hooks, c.states...)
	b.missing = append(b.missing, c.missing...)
	return c.programs, c.missing
}

// cardSeen reports whether the programs have seen a connection of a network card.
func (b *ebpfBackend) cardSeen() bool {
	var met uint32
	return b.cfg.assumeCard || !b.cfg.ListOnly && b.coll.Variables["card_seen"].Get(&met) == nil && met != 0
}

// loadCards shares the maps of the running programs. It prepares the programs again, so that a run
// without cards need not keep their specification.
func loadCards(ctx context.Context, cfg *Config, shared map[string]*ebpf.Map) *cards {
	ctx, cancel := context.WithCancel(ctx)
	c := &cards{cancel: cancel, done: make(chan struct{}), programs: map[string]*ebpf.Program{}}
	go func() {
		defer close(c.done)
		if err := c.load(ctx, cfg, shared); err != nil {
			c.missing = append(c.missing, "network cards: what they seal and open is not reported, or late ("+err.Error()+")")
		}
	}()
	return c
}

func (c *cards) load(ctx context.Context, cfg *Config, shared map[string]*ebpf.Map) error {
	if err := stopped(ctx); err != nil {
		return err
	}
	kernel, err := loadTypes()
	if err != nil {
		return err
	}
	p, err := prepare(cfg, kernel)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !g.late || stopped(ctx) != nil {
			continue
		}
		programs, err := p.loadGroup(g.name, kernel, shared)
		if err != nil {
			c.missing = append(c.missing, refusal{g, err}.line())
			continue
		}
		maps.Copy(c.programs, programs)
		c.attach(ctx, g.name, p.hooks)
	}
	return nil
}

// attach attaches the hooks of a group.
func (c *cards) attach(ctx context.Context, group string, hooks []hook) {
	for _, h := range hooks {
		if h.group != group || stopped(ctx) != nil {
			continue
		}
		links, err := attach(c.programs, h)
		c.links = append(c.links, links...)
		c.states = append(c.states, HookState{h.function, err == nil, h.without})
		if err != nil {
			c.missing = append(c.missing, h.function+": "+err.Error())
		}
	}
}

// end detaches the hooks, and waits for the goroutine.
func (c *cards) end() {
	if c == nil {
		return
	}
	c.cancel()
	<-c.done
	for _, l := range c.links {
		l.Close()
	}
	c.links = nil
}

// close frees the programs too.
func (c *cards) close() {
	if c == nil {
		return
	}
	c.end()
	for _, p := range c.programs {
		p.Close()
	}
}

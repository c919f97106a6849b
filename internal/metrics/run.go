package metrics

import (
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Run is what is known of a run from its beginning on.
type Run struct {
	Version, Revision, GoVersion string
	// Kernel is its release, Backend how ktlstop is attached to it. BTF: it has type
	// information.
	Kernel, Backend string
	BTF             bool
	// Sums: the kernel adds records up, and Sample brings what. Else each record's event
	// counts.
	Sums bool
	// About is asked once a round for what is known by then.
	About func() About
	// Causes are the kernel's of losses, each of which is shown from the beginning on.
	Causes []string
}

// About is what is known of a run by now.
type About struct {
	// Missing are the hooks that there are not, a line each, which begins with the hook
	// and a colon.
	Missing []string
	// Programs took so much in the time Over in all, as long as they were measured.
	Programs []event.ProgramCost
	Over     time.Duration
}

// runs makes the metrics that are of no group.
func (c *Collector) runs(b *builder) {
	b.created, b.labels = c.begun, nil
	for cause, n := range c.lost {
		b.counter(b.lost, float64(n), cause)
	}
	for name, p := range c.cost.programs {
		b.counter(b.programSeconds, p.seconds, name)
		b.counter(b.programRuns, p.runs, name)
	}
	for hook := range hooksOf(c.about.Missing) {
		b.gauge(b.hooksMissing, 1, hook)
	}
	b.gauge(b.groups, float64(len(c.groups)))
	b.counter(b.overflowed, float64(c.overflowed))
	b.gauge(b.sampleEvery, 1)
	if !c.read.IsZero() {
		b.gauge(b.lastRead, float64(c.read.UnixMilli())/1e3)
	}
	r := &c.run
	b.gauge(b.build, 1, r.Version, r.Revision, r.GoVersion)
	btf := "false"
	if r.BTF {
		btf = "true"
	}
	b.gauge(b.kernel, 1, clean(r.Kernel), r.Backend, btf)
}

// hooksOf are the names in such lines.
func hooksOf(lines []string) map[string]bool {
	hooks := map[string]bool{}
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		hooks[clean(name)] = true
	}
	return hooks
}

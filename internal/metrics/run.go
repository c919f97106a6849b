package metrics

import (
	"strings"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Run is what is known of a run when it begins.
type Run struct {
	Version, Revision, GoVersion string
	// Kernel is its release, Backend how ktlstop is attached to it. BTF: it has type
	// information.
	Kernel, Backend string
	BTF             bool
	// Sums: the kernel adds records up, and Sample reads the sums. Otherwise each record
	// is counted from its event.
	Sums bool
	// About is called once a round for the current state.
	About func() About
	// Causes are the kernel's causes of losses, each of which is shown from the start.
	Causes []string
}

// About is the current state of a run.
type About struct {
	// Missing lists the hooks that are not attached, a line each, which begins with the
	// hook and a colon.
	Missing []string
	// Programs is the run time of the programs in the time Over, while they were
	// measured.
	Programs []event.ProgramCost
	Over     time.Duration
}

// runs makes the metrics that belong to no group.
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

// hooksOf returns the names of the hooks in such lines.
func hooksOf(lines []string) map[string]bool {
	hooks := map[string]bool{}
	for _, l := range lines {
		name, _, _ := strings.Cut(l, ":")
		hooks[clean(name)] = true
	}
	return hooks
}

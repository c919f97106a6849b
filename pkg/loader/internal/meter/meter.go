// Package meter measures the processor time of the BPF programs, and keeps it below a
// limit. Its caller passes the time and who wants the cost; the meter makes the kernel
// measure only when needed.
package meter

import (
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
	"github.com/ktlstop/ktlstop/pkg/loader/internal/object"
)

// The kernel measures its programs only on request. That patches its code on all CPUs,
// and costs two clock readings for each run. So the meter measures only while somebody
// wants the cost: first for a second, which is enough for a short run, and then for a
// moment at intervals.
const (
	firstWindow = time.Second
	laterWindow = 100 * time.Millisecond
	// watchedEvery is the interval of windows while somebody watches the cost, and with
	// a limit that is far.
	watchedEvery = 5 * time.Second
	// governedEvery is the interval near the limit.
	governedEvery = 500 * time.Millisecond
	// A figure for the end of the run needs fewer windows the longer it has been
	// measured: each interval is twice the last one, up to this.
	rarestEvery = 5 * time.Minute
)

// oncePerRecord are the programs that run once for each record, with fentry and with
// kprobes.
var oncePerRecord = []string{"verdict_enter", "open_enter", "bpf_exec_tx_verdict_enter", "tls_rx_one_record_enter"}

// Meter measures programs in windows. Watch and Cost may be called from any goroutine,
// while another one calls Tick.
type Meter struct {
	mu       sync.Mutex
	programs map[string]*ebpf.Program
	began    time.Time // of the current window
	next     time.Time // when the next one is due
	close    io.Closer // nil between windows
	before   map[string]ebpf.ProgramStats
	sums     map[string]*event.ProgramCost
	over     time.Duration
	enable   func() (io.Closer, error)

	// Who wants the cost: a figure at the end, a limit, or somebody who watches.
	figure, limited, watched bool
	nearLimit                bool          // to the limit
	every                    time.Duration // what figure waited last
}

// Demand says who wants the cost from the beginning.
type Demand struct {
	// Figure: for the cost of a run, at its end. Limited: there is a limit.
	Figure, Limited bool
}

// New returns a meter of programs by their names in the object. It measures nothing
// before the first Tick.
func New(programs map[string]*ebpf.Program, asked Demand) *Meter {
	return &Meter{programs: programs, figure: asked.Figure, limited: asked.Limited, enable: enableStats, every: watchedEvery / 2,
		before: map[string]ebpf.ProgramStats{}, sums: map[string]*event.ProgramCost{}}
}

// Add adds programs that were loaded since, from the next window on.
func (m *Meter) Add(programs map[string]*ebpf.Program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.programs)
	maps.Copy(all, programs)
	m.programs = all
	for name, p := range programs {
		if s, err := p.Stats(); err == nil {
			m.before[name] = *s
		}
	}
}

func enableStats() (io.Closer, error) { return ebpf.EnableStats(unix.BPF_STATS_RUN_TIME) }

// wanted reports whether anybody wants the cost.
func (m *Meter) wanted() bool { return m.figure || m.limited || m.watched }

// distance is the interval from the beginning of a window to that of the next.
func (m *Meter) distance() time.Duration {
	switch {
	case m.limited && m.nearLimit:
		return governedEvery
	case m.limited || m.watched:
		return watchedEvery
	}
	m.every = min(2*m.every, rarestEvery)
	return m.every
}

// Watch begins or ends measuring for somebody who watches.
func (m *Meter) Watch(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on && !m.watched {
		m.next = time.Time{} // now
	}
	m.watched = on
}

// Approach reports whether the limit is near.
func (m *Meter) Approach(near bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if near && !m.nearLimit {
		m.next = m.began.Add(governedEvery)
	}
	m.nearLimit = near
}

// Tick opens or closes a window when it is time; then ok is true, and share is the
// share of one processor that the programs took in it, in percent. If the kernel does
// not measure, the cost stays unknown.
func (m *Meter) Tick(now time.Time) (share float64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.close == nil && m.wanted() && !now.Before(m.next):
		m.open(now)
	case m.close != nil && !m.wanted():
		m.shut(now)
	case m.close != nil && now.Sub(m.began) >= m.window():
		before := m.spent()
		m.shut(now)
		return 100 * float64(m.spent()-before) / float64(now.Sub(m.began)), true
	}
	return 0, false
}

// spent is the measured run time of all programs, in nanoseconds.
func (m *Meter) spent() (ns uint64) {
	for _, c := range m.sums {
		ns += c.Nanos
	}
	return ns
}

func (m *Meter) window() time.Duration {
	if m.over == 0 {
		return firstWindow
	}
	return laterWindow
}

func (m *Meter) open(now time.Time) {
	m.next = now.Add(m.distance())
	c, err := m.enable()
	if err != nil {
		return
	}
	m.close, m.began = c, now
	for name, p := range m.programs {
		if s, err := p.Stats(); err == nil {
			m.before[name] = *s
		}
	}
}

// shut ends a window, if one is open, and adds up the runs in it.
func (m *Meter) shut(now time.Time) {
	if m.close == nil {
		return
	}
	for name, p := range m.programs {
		if s, err := p.Stats(); err == nil {
			m.add(name, s.RunCount-m.before[name].RunCount, s.Runtime-m.before[name].Runtime)
		}
	}
	m.close.Close()
	m.close = nil
	m.over += now.Sub(m.began)
}

// sum returns a program's cost together with its copy's (HOOK_TWICE in
// bpf/ktls_trace.bpf.c).
func (m *Meter) sum(base string) *event.ProgramCost {
	c := m.sums[base]
	if c == nil {
		c = &event.ProgramCost{Name: base}
		m.sums[base] = c
	}
	return c
}

// add counts a run of a program and of its copy as the same run.
func (m *Meter) add(name string, runs uint64, spent time.Duration) {
	base := object.Original(name)
	c := m.sum(base)
	if base == name {
		c.Runs += runs
	}
	c.Nanos += uint64(spent)
}

// Stop ends measuring.
func (m *Meter) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut(time.Now())
}

// countSkips reads the kernel's counts of skipped runs, which it always keeps. With
// copies, a run is lost only if all were skipped.
func (m *Meter) countSkips() {
	for name := range m.programs {
		if name != object.Original(name) {
			continue
		}
		if skipped := m.skipped(name); skipped > 0 {
			m.sum(name).Skipped = skipped
		}
	}
}

// skipped is the lowest count of a program and its copies.
func (m *Meter) skipped(program string) uint64 {
	least := uint64(math.MaxUint64)
	for _, name := range object.Copies(program) {
		if p := m.programs[name]; p != nil {
			s, err := p.Stats()
			if err != nil {
				return 0
			}
			least = min(least, s.RecursionMisses)
		}
	}
	return least
}

// Cost returns the run time of the programs in the past windows, by name, the total
// length of these, and how many records began to be sealed or opened in them.
func (m *Meter) Cost() (programs []event.ProgramCost, over time.Duration, records uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.countSkips()
	for _, p := range m.sums {
		if p.Runs > 0 || p.Skipped > 0 {
			programs = append(programs, *p)
		}
		if slices.Contains(oncePerRecord, p.Name) {
			records += p.Runs
		}
	}
	slices.SortFunc(programs, func(a, b event.ProgramCost) int { return strings.Compare(a.Name, b.Name) })
	return programs, m.over, records
}

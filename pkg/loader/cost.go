package loader

import (
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// The kernel measures its programs only when told to. That patches its text on
// all CPUs, and costs two readings of a clock for each run: so only while
// somebody asks, for a second at first, which is enough for a short run, and
// then for a moment now and then.
const (
	firstWindow = time.Second
	laterWindow = 100 * time.Millisecond
	// watchedEvery is from one window to the next while somebody looks at the
	// cost, and where it has a limit (Config.MaxCPU) that is far.
	watchedEvery = 5 * time.Second
	// governedEvery is it where the limit is near.
	governedEvery = 500 * time.Millisecond
	// A figure for the end of the run (Config.Cost) needs the less the longer
	// it has been measured: each distance is twice the last, up to this.
	rarestEvery = 5 * time.Minute
)

// Cost is what the programs took while they were measured.
type Cost struct {
	// Programs are those that ran, by name.
	Programs []event.ProgramCost
	// Over is how long they were measured, Records how many records began to
	// be sealed or opened meanwhile.
	Over    time.Duration
	Records uint64
}

// oncePerRecord are the programs that run once for each record, by fentry and
// by kprobes.
var oncePerRecord = []string{"verdict_enter", "open_enter", "bpf_exec_tx_verdict_enter", "tls_rx_one_record_enter"}

// meter measures programs in windows.
type meter struct {
	mu       sync.Mutex
	programs map[string]*ebpf.Program
	began    time.Time // of the present window
	next     time.Time // when the next one is due
	close    io.Closer // nil between windows
	before   map[string]ebpf.ProgramStats
	sums     map[string]*event.ProgramCost
	over     time.Duration
	enable   func() (io.Closer, error)

	// Who asks: for a figure at the end, for a limit, or somebody who looks.
	figure, limited, watched bool
	near                     bool          // to the limit
	every                    time.Duration // what figure waited last
}

func newMeter(programs map[string]*ebpf.Program) *meter {
	return &meter{programs: programs, enable: enableStats, every: watchedEvery / 2,
		before: map[string]ebpf.ProgramStats{}, sums: map[string]*event.ProgramCost{}}
}

func enableStats() (io.Closer, error) { return ebpf.EnableStats(unix.BPF_STATS_RUN_TIME) }

// asked says whether anybody wants the cost.
func (m *meter) asked() bool { return m.figure || m.limited || m.watched }

// distance is from the begin of a window to that of the next.
func (m *meter) distance() time.Duration {
	switch {
	case m.limited && m.near:
		return governedEvery
	case m.limited || m.watched:
		return watchedEvery
	}
	m.every = min(2*m.every, rarestEvery)
	return m.every
}

// watch begins or ends measuring for somebody who looks.
func (m *meter) watch(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if on && !m.watched {
		m.next = time.Time{} // now
	}
	m.watched = on
}

// approach says whether the limit is near.
func (m *meter) approach(near bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if near && !m.near {
		m.next = m.began.Add(governedEvery)
	}
	m.near = near
}

// step opens or closes a window when it is time; then ok is true, and share what
// the programs took of one processor in it, in percent. Where the kernel does
// not measure, the cost stays unknown.
func (m *meter) step(now time.Time) (share float64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.close == nil && m.asked() && !now.Before(m.next):
		m.open(now)
	case m.close != nil && !m.asked():
		m.shut(now)
	case m.close != nil && now.Sub(m.began) >= m.window():
		before := m.spent()
		m.shut(now)
		return 100 * float64(m.spent()-before) / float64(now.Sub(m.began)), true
	}
	return 0, false
}

// spent is the run time of all programs that was measured, in nanoseconds.
func (m *meter) spent() (ns uint64) {
	for _, c := range m.sums {
		ns += c.Nanos
	}
	return ns
}

func (m *meter) window() time.Duration {
	if m.over == 0 {
		return firstWindow
	}
	return laterWindow
}

func (m *meter) open(now time.Time) {
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

// shut ends a window, if one is open, and adds up what ran in it.
func (m *meter) shut(now time.Time) {
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

// sum returns a program's cost, which is also its twin's (TWIN in
// bpf/ktls_conn.h).
func (m *meter) sum(base string) *event.ProgramCost {
	c := m.sums[base]
	if c == nil {
		c = &event.ProgramCost{Name: base}
		m.sums[base] = c
	}
	return c
}

// add counts a program's twin as the same run of it.
func (m *meter) add(name string, runs uint64, spent time.Duration) {
	base := original(name)
	c := m.sum(base)
	if base == name {
		c.Runs += runs
	}
	c.Nanos += uint64(spent)
}

// stop ends measuring.
func (m *meter) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut(time.Now())
}

// countSkips asks the kernel for its count, which it keeps without being told
// to. Of copies, a run is lost only where all were skipped.
func (m *meter) countSkips() {
	for name := range m.programs {
		if name != original(name) {
			continue
		}
		if skipped := m.skipped(name); skipped > 0 {
			m.sum(name).Skipped = skipped
		}
	}
}

// skipped is the least count of a program and its copies.
func (m *meter) skipped(program string) uint64 {
	least := uint64(math.MaxUint64)
	for _, name := range copies(program) {
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

func (m *meter) cost() Cost {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.countSkips()
	c := Cost{Over: m.over}
	for _, p := range m.sums {
		if p.Runs > 0 || p.Skipped > 0 {
			c.Programs = append(c.Programs, *p)
		}
		if slices.Contains(oncePerRecord, p.Name) {
			c.Records += p.Runs
		}
	}
	slices.SortFunc(c.Programs, func(a, b event.ProgramCost) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// Cost is what the programs took in the windows that are over. Nothing is
// measured unless Config.Cost, Config.MaxCPU or Measure asks for it; what the
// kernel skipped is counted in any case. It may be called while other methods
// run.
func (t *Tracer) Cost() Cost { return t.meter.cost() }

// Measure measures the cost while on, from the next moment on, for somebody who
// looks at it. It may be called while other methods run.
func (t *Tracer) Measure(on bool) { t.meter.watch(on) }

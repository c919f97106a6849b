package metrics

import (
	"maps"
	"sync"
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// Config says what a Collector counts.
type Config struct {
	// GroupBy are the labels of a group, see CheckGroupBy.
	GroupBy []string
	// MaxGroups limits the number of groups; later ones are counted in one called "other".
	MaxGroups int
	// Stages: the stages of records are measured. StageHistograms adds their histograms.
	Stages, StageHistograms bool
	// Slow is the time from which a record is an exemplar, 0 for none.
	Slow time.Duration
	// Now is the clock, nil for the machine's.
	Now func() time.Time
}

// Collector has the metrics of a run: it is a session.Sums, a sink.Sink for the run's
// events, and a prometheus.Collector. The first two belong to one goroutine, that of the
// run; Collect and LastRound may be called from any.
type Collector struct {
	cfg      Config
	owner    owner
	pods     bool // the kubelet reports a label of the groups
	families *families
	now      func() time.Time

	// These belong to the run's goroutine.
	run   Run
	conns conns
	wide  wide

	mu         sync.Mutex
	groups     map[string]*group
	overflowed uint64
	lost       map[string]uint64
	gaps       flow.Gaps
	about      About
	cost       cost
	begun      time.Time
	read       time.Time // the last round
}

// New returns a Collector without a group. The error is that of CheckGroupBy.
func New(cfg Config) (*Collector, error) {
	if err := CheckGroupBy(cfg.GroupBy); err != nil {
		return nil, err
	}
	c := &Collector{cfg: cfg, owner: newOwner(cfg.GroupBy), pods: waitsForPods(cfg.GroupBy), families: newFamilies(cfg.GroupBy), now: cfg.Now,
		conns: newConns(), wide: wide{}, groups: map[string]*group{}, lost: map[string]uint64{}}
	if c.now == nil {
		c.now = time.Now
	}
	c.begun = c.now()
	return c, nil
}

// Begin sets what is known of the run, before its first event.
func (c *Collector) Begin(r Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run = r
	c.lost[flow.CauseGap] = 0
	for _, cause := range r.Causes {
		c.lost[cause] = 0
	}
}

// groupOf returns a process's group.
func (c *Collector) groupOf(p *event.Process) *group {
	labels := c.owner.labels(p)
	if g := c.groups[keyOf(labels)]; g != nil {
		return g
	}
	if len(c.groups) >= c.cfg.MaxGroups {
		c.overflowed++
		labels = c.owner.rest() // a name that a process may have chosen itself
		if g := c.groups[keyOf(labels)]; g != nil {
			return g
		}
	}
	g := newGroup(labels, c.now())
	c.groups[keyOf(labels)] = g
	return g
}

// Sample adds the sums of one connection to the current round.
func (c *Collector) Sample(s *event.Sample) {
	e, ok := c.conns.byID.Get(s.Conn.ID)
	if !ok || e.group == nil {
		if e = c.assign(s); e == nil {
			return // earlier sums count once its owner is known
		}
	}
	sum := &e.group.live
	if s.Final {
		sum = &e.group.ended
	}
	if w := c.wide.follow(s); w != nil {
		sum.add(w)
	} else {
		sum.sample(s)
	}
	for d := range s.Next {
		e.group.keys[d] = max(e.group.keys[d], s.Next[d])
	}
	if s.Final {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.end(s.Conn.ID, e, e.group)
	}
}

// assign finds the owner of a new connection; nil if it is not known yet.
func (c *Collector) assign(s *event.Sample) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.conns.of(s.Conn.ID)
	owner := s.Conn.Owner(&s.Proc)
	if e.waited++; !s.Final && !c.knows(&owner) && e.waited < maxRounds {
		return nil
	}
	if e.modes == [2]event.Mode{} { // no event has reported them
		e.protect([2]event.Mode{s.TLS[0].Mode, s.TLS[1].Mode})
	}
	e.join(c.groupOf(&owner))
	return e
}

// maxRounds is the number of rounds after which a connection counts for the group that it
// has then.
const maxRounds = 10

// knows reports whether p's labels are known: those of a pod may follow later.
func (c *Collector) knows(p *event.Process) bool {
	if in := p.In(); c.pods && in.PodUID != "" && in.Pod == "" {
		return false
	}
	return p.PID != 0 && p.Comm != tlshd || p.Kernel
}

// tlshd does handshakes for the kernel, which then takes the connection over.
var tlshd = event.MakeComm("tlshd")

// end counts the end of a group's connection, once.
func (c *Collector) end(id uint64, e *conn, g *group) {
	if !e.end() {
		return
	}
	g.countBy(count{of: closed}, 1)
	delete(c.conns.unassigned, id)
	c.conns.linger(id)
}

// Round ends a round of samples: from now on Collect shows them.
func (c *Collector) Round() {
	about := c.run.About() // queries the kernel
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	for _, g := range c.groups {
		g.publish(now)
	}
	c.countUnassigned(c.conns.forget())
	c.lost[flow.CauseGap] += c.gaps.Unexplained()
	// A group that comes back begins at zero, with a new time of creation.
	maps.DeleteFunc(c.groups, func(_ string, g *group) bool { return g.idle(now) })
	c.cost.update(&about, now)
	c.about, c.read = about, now
}

// LastRound is when the kernel's sums were last read, the zero time before the first.
func (c *Collector) LastRound() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read
}

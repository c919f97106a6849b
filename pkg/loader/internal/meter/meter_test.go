package meter

import (
	"io"
	"testing"
	"time"
)

// switching is a kernel that counts how often measuring is switched on.
type switching struct {
	on    bool
	times []time.Duration // since the beginning
	now   time.Duration
}

func (s *switching) enable() (io.Closer, error) {
	s.on = true
	s.times = append(s.times, s.now)
	return s, nil
}

// Close implements io.Closer.
func (s *switching) Close() error {
	s.on = false
	return nil
}

// pollInterval is how often a run steps its meter.
const pollInterval = 50 * time.Millisecond

// run steps a meter as a run does, for a time.
func (s *switching) run(m *Meter, d time.Duration) {
	begin := time.Unix(1000, 0)
	for end := s.now + d; s.now < end; s.now += pollInterval {
		m.Tick(begin.Add(s.now))
	}
}

func newSwitching(asked Demand) (*switching, *Meter) {
	s, m := &switching{}, New(nil, asked)
	m.enable = s.enable
	return s, m
}

// measured is how long the programs were measured.
func measured(m *Meter) time.Duration {
	_, over, _ := m.Cost()
	return over
}

// Nothing is switched on unless somebody wants the cost.
func TestMeterRestsUnasked(t *testing.T) {
	s, m := newSwitching(Demand{})
	s.run(m, time.Hour)
	if len(s.times) != 0 || measured(m) != 0 {
		t.Errorf("switched on at %v", s.times)
	}
}

// For a figure at the end, each interval is twice the last one, up to five minutes.
func TestMeterForAFigure(t *testing.T) {
	s, m := newSwitching(Demand{Figure: true})
	s.run(m, time.Hour)
	if n := len(s.times); n > 18 || s.times[0] != 0 || s.times[1] != 5*time.Second || s.times[2] != 15*time.Second {
		t.Errorf("switched on at %v", s.times)
	}
	if s.on {
		t.Error("a window stays open")
	}
	if over := measured(m); over < firstWindow+time.Duration(len(s.times)-1)*laterWindow {
		t.Errorf("measured over %v in %d windows", over, len(s.times))
	}
}

// A watcher gets a figure at once and every five seconds, until it stops watching.
func TestMeterWhileWatched(t *testing.T) {
	s, m := newSwitching(Demand{})
	s.run(m, time.Minute)
	m.Watch(true)
	s.run(m, 10*time.Second)
	if len(s.times) != 2 || s.times[0] != time.Minute || s.times[1] != time.Minute+watchedEvery {
		t.Errorf("switched on at %v", s.times)
	}
	m.Watch(false)
	s.run(m, time.Hour)
	m.Watch(true)
	s.run(m, 2*pollInterval)
	if !s.on {
		t.Error("not measured when somebody looks again")
	}
	m.Watch(false)
	s.run(m, pollInterval)
	if s.on || len(s.times) != 3 {
		t.Errorf("measured when nobody looks any more: switched on at %v", s.times)
	}
}

// Near its limit the cost is measured often, and rarely if it is far.
func TestMeterForALimit(t *testing.T) {
	s, m := newSwitching(Demand{Limited: true})
	s.run(m, 10*time.Second)
	if len(s.times) != 2 {
		t.Errorf("far from the limit: switched on at %v", s.times)
	}
	m.Approach(true)
	s.run(m, 10*time.Second)
	if n := len(s.times) - 2; n < 19 || n > 21 {
		t.Errorf("near the limit %d times in ten seconds", n)
	}
}

func TestGovernorNear(t *testing.T) {
	g := NewGovernor(Limits{CPU: 10, Least: 1})
	if g.NearLimit(5) || !g.NearLimit(5.1) {
		t.Error("near is more than half of the limit")
	}
	g.every = 10
	if !g.NearLimit(0) {
		t.Error("what leaves records out has to know soon when it may stop")
	}
	if (*Governor)(nil).NearLimit(100) {
		t.Error("near to no limit")
	}
}

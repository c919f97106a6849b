package metrics

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// cost is an estimate of the programs' run time: the kernel measures them for a moment at
// intervals, and a moment stands for the time since the last one.
type cost struct {
	programs map[string]*programCost
	measured map[string]event.ProgramCost // in the last round
	over     time.Duration
	at       time.Time // of the last round with a measurement, or of the first round
}

type programCost struct{ seconds, runs float64 }

// update adds the latest measurement.
func (c *cost) update(a *About, now time.Time) {
	if c.programs == nil {
		c.programs, c.measured, c.at = map[string]*programCost{}, map[string]event.ProgramCost{}, now
	}
	window := a.Over - c.over
	if window <= 0 {
		return
	}
	times := max(1, now.Sub(c.at).Seconds()/window.Seconds())
	for _, p := range a.Programs {
		sum := c.programs[p.Name]
		if sum == nil {
			sum = new(programCost)
			c.programs[p.Name] = sum
		}
		before := c.measured[p.Name]
		sum.seconds += times * seconds(p.Nanos-before.Nanos)
		sum.runs += times * float64(p.Runs-before.Runs)
		c.measured[p.Name] = p
	}
	c.over, c.at = a.Over, now
}

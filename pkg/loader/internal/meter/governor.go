package meter

import (
	"fmt"
)

// The reactions of a governor, and after how many windows.
const (
	tooMany    = 2    // windows above the limit in a row: something must change
	lowerAfter = 5    // windows below half of it: a raised value is lowered
	raiseBy    = 10   // the factor of either change
	maxRaising = 1000 // above it there is little left to save
)

// Limits are the limit of a governor, and how it keeps it.
type Limits struct {
	// CPU is the limit, in percent of one processor.
	CPU float64
	// Least: initially one record in so many is reported; 0 if none may be left out.
	Least uint32
	// Set makes one record in so many be reported, Notice gets that in words.
	Set    func(every uint32) error
	Notice func(string)
}

// Governor keeps the programs' share of a processor below a limit. A nil Governor has
// no limit.
type Governor struct {
	limits Limits
	every  uint32
	above  int // windows in a row above the limit
	below  int // and below half of it
}

// NewGovernor returns a governor that has seen no window yet.
func NewGovernor(l Limits) *Governor { return &Governor{limits: l, every: l.Least} }

// Check checks the share of one window, in percent of a processor. It is too much if it
// stays above the limit and no more records can be left out.
func (g *Governor) Check(share float64) (tooMuch bool, err error) {
	if g == nil {
		return false, nil
	}
	g.above, g.below = consecutive(g.above, share > g.limits.CPU), consecutive(g.below, share < g.limits.CPU/2)
	switch {
	case g.above >= tooMany && g.limits.Least > 0 && g.every < max(maxRaising, g.limits.Least):
		return false, g.change(min(g.every*raiseBy, max(maxRaising, g.limits.Least)), share, "more than")
	case g.above >= tooMany:
		return true, nil
	case g.below >= lowerAfter && g.every > g.limits.Least:
		return false, g.change(max(g.every/raiseBy, g.limits.Least), share, "less than half of")
	}
	return false, nil
}

// NearLimit reports whether a share is so high, or so many records are left out because
// of it, that it must be measured often.
func (g *Governor) NearLimit(share float64) bool {
	return g != nil && (share > g.limits.CPU/2 || g.every > g.limits.Least)
}

// consecutive counts up while a condition holds.
func consecutive(n int, holds bool) int {
	if !holds {
		return 0
	}
	return n + 1
}

func (g *Governor) change(every uint32, share float64, than string) error {
	g.above, g.below = 0, 0
	if err := g.limits.Set(every); err != nil {
		return fmt.Errorf("change the sampling: %w", err)
	}
	g.every = every
	g.limits.Notice(fmt.Sprintf("the BPF programs take %.3g %% of a processor, %s the limit of %.3g %%: from here on one ordinary record in %d is reported",
		share, than, g.limits.CPU, every))
	return nil
}

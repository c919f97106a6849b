package loader

import (
	"fmt"
)

// What a governor does, and after how many windows.
const (
	tooMany    = 2    // windows above the limit in a row: something must change
	calm       = 5    // windows below half of it: what was raised is lowered
	raiseBy    = 10   // the factor of either
	maxRaising = 1000 // beyond it there is little left to spare
)

// CostError says that the programs took more of a processor than
// Config.MaxCPU, and that nothing was left to spare it.
type CostError struct {
	// Share and Limit are percent of one processor.
	Share, Limit float64
}

func (e *CostError) Error() string {
	return fmt.Sprintf("the BPF programs take %.3g %% of a processor, more than the limit of %.3g %%: they are detached; "+
		"allow more, or trace less with a filter", e.Share, e.Limit)
}

// governor keeps the programs' share of a processor below a limit.
type governor struct {
	limit float64
	least uint32 // one record in so many was asked for; 0 if none may be left out
	every uint32
	set   func(every uint32) error
	tell  func(string)
	above int // windows in a row above the limit
	below int // and below half of it
}

func newGovernor(cfg *Config, every interface{ Set(any) error }) *governor {
	g := &governor{limit: cfg.MaxCPU, tell: cfg.Notice, set: func(n uint32) error { return every.Set(n) }}
	if cfg.Sample != nil {
		g.least, g.every = cfg.Sample.Every, cfg.Sample.Every
	}
	if g.tell == nil {
		g.tell = func(string) {}
	}
	return g
}

// judge takes the share of one window, in percent of a processor. A nil governor
// allows everything.
func (g *governor) judge(share float64) error {
	if g == nil {
		return nil
	}
	g.above, g.below = streak(g.above, share > g.limit), streak(g.below, share < g.limit/2)
	switch {
	case g.above >= tooMany && g.least > 0 && g.every < max(maxRaising, g.least):
		return g.change(min(g.every*raiseBy, max(maxRaising, g.least)), share, "more than")
	case g.above >= tooMany:
		return &CostError{share, g.limit}
	case g.below >= calm && g.every > g.least:
		return g.change(max(g.every/raiseBy, g.least), share, "less than half of")
	}
	return nil
}

// near says whether a share is so high, or so much is left out because of it,
// that it has to be measured often.
func (g *governor) near(share float64) bool {
	return g != nil && (share > g.limit/2 || g.every > g.least)
}

// streak counts on while something holds.
func streak(n int, holds bool) int {
	if !holds {
		return 0
	}
	return n + 1
}

func (g *governor) change(every uint32, share float64, than string) error {
	g.above, g.below = 0, 0
	if err := g.set(every); err != nil {
		return fmt.Errorf("change the sampling: %w", err)
	}
	g.every = every
	g.tell(fmt.Sprintf("the BPF programs take %.3g %% of a processor, %s the limit of %.3g %%: from here on one ordinary record in %d is told",
		share, than, g.limit, every))
	return nil
}

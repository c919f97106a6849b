package tui

import (
	"time"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// Config says what the dashboard shows. Only Source is required.
type Config struct {
	// Source returns the current state. It is called from other goroutines, at
	// times from two at once: each period, and when another connection is
	// chosen.
	Source func() *flow.Snapshot
	// Select tells which connection Source is to show in detail, 0 for none.
	Select func(id uint64)
	// Measure reports whether the view that shows the programs' cost is open.
	Measure func(on bool)
	// Save writes a snapshot and says where to. SaveJSON(".") if nil.
	Save func(*flow.Snapshot) (path string, err error)

	// Period is the time between two snapshots; 1 s if 0.
	Period time.Duration
	// Filter is the filter to begin with, as ParseFilter reads it.
	Filter string
	// Waiting are the lines of the empty screen: what is missing for traffic
	// to show, such as the module, and how to make a program use kTLS.
	Waiting []string
	// Location is where the clock hangs; UTC if nil.
	Location *time.Location
	// Hosts says that Source shows several hosts, which have a column then.
	Hosts bool
	// NoColor leaves out all colours, ASCII the block characters as well.
	NoColor, ASCII bool
}

func (c Config) withDefaults() Config {
	if c.Select == nil {
		c.Select = func(uint64) {}
	}
	if c.Measure == nil {
		c.Measure = func(bool) {}
	}
	if c.Save == nil {
		c.Save = SaveJSON(".")
	}
	if c.Period <= 0 {
		c.Period = time.Second
	}
	if c.Location == nil {
		c.Location = time.UTC
	}
	return c
}

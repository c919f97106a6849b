package flow

import (
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// Run is what a Snapshot says about the trace itself. It is filled in by the
// command, which alone knows it.
type Run struct {
	Host, Kernel, Version string
	// Source is "live", or what is being replayed.
	Source string
	// Filter is the filter that acts in the kernel, empty for none.
	Filter   string
	Tier     event.Tier
	CPUs     int
	Hooks    []Hook
	Rings    []Ring
	Programs []event.ProgramCost
	// CostOver is how long the Programs were measured, CostRecords how many
	// records were sealed or opened meanwhile.
	CostOver    time.Duration
	CostRecords uint64
	Notes       []string
	// Hosts are those whose events are merged; nil for this one alone.
	Hosts []RunHost
}

// RunHost is one of the hosts that are watched from afar.
type RunHost struct {
	// Name is what it is called in rows, Address where it is.
	Name, Address   string
	Kernel, Version string
	// Away says that nothing comes from it, Reason why, and Since since when, on the
	// clock of snapshots.
	Away   bool
	Reason string
	Since  uint64
}

// Hook is one point that the tracer wants to attach to.
type Hook struct {
	// Name is the kernel function, or the point where none was found.
	Name     string
	Attached bool
	// Note says what is missing without it.
	Note string
}

// Ring is the state of one ring buffer or map: Size and Used are bytes or
// entries, Lost counts what found no room.
type Ring struct {
	Name             string
	Size, Used, Lost uint64
}

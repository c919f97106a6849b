package flow

import (
	"maps"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// explaining are the kernel's causes under which records of connections that it
// follows vanish. An Auditor finds the same records missing, without knowing why.
// Of a connection that found no room (conn_map_full) no sequence is known, so
// that its records are never a gap; nor are events that are no records.
var explaining = map[string]bool{"ring_full": true, "pending_map_full": true, "skipped": true}

// Losses puts together what was counted by cause and the gaps that an Auditor
// found, so that no record counts twice: a gap that a counter of the same
// direction explains is not a loss of its own. The zero value is empty.
type Losses struct {
	byCause   map[string]uint64 // without gaps
	gaps      [2]uint64
	explained [2]uint64
	either    uint64 // explained in one direction or the other: recordings from before the directions were reported
}

// Add enters what was lost.
func (l *Losses) Add(e *event.Lost) {
	if e.Cause == CauseGap {
		l.gaps[e.Dir&1] += e.Count
		return
	}
	if l.byCause == nil {
		l.byCause = make(map[string]uint64)
	}
	l.byCause[e.Cause] += e.Count
	switch {
	case !explaining[e.Cause]:
	case e.HasDir:
		l.explained[e.Dir&1] += e.Count
	default:
		l.either += e.Count
	}
}

// Sum is what was lost by cause, in a new map, and in all.
func (l *Losses) Sum() (lost map[string]uint64, total uint64) {
	lost = maps.Clone(l.byCause)
	if lost == nil {
		lost = make(map[string]uint64)
	}
	var unexplained uint64
	for d, n := range l.gaps {
		unexplained += n - min(n, l.explained[d])
	}
	if unexplained > l.either {
		lost[CauseGap] = unexplained - l.either
	}
	for _, n := range lost {
		total += n
	}
	return lost, total
}

// Gaps tells the gaps that no counter explains one by one, for those who can take nothing
// back: the kernel's counters are read a moment after a gap is found. The zero value is empty.
type Gaps struct {
	losses           Losses
	before, reported uint64
}

// Add enters what was lost, whatever the cause.
func (g *Gaps) Add(e *event.Lost) { g.losses.Add(e) }

// Unexplained is called about once a second. It returns how many records more are missing that
// no counter has explained since the last call but one.
func (g *Gaps) Unexplained() uint64 {
	lost, _ := g.losses.Sum()
	now := lost[CauseGap]
	sure := min(g.before, now)
	more := sure - min(sure, g.reported)
	g.before, g.reported = now, max(g.reported, sure)
	return more
}

// hostLosses are the Losses of each host: what one counted explains no gap of another.
type hostLosses map[string]*Losses

// maxHosts is how many hosts are told apart. More are in a recording that was made up.
const maxHosts = 4096

func (all hostLosses) of(host string) *Losses {
	if len(all) >= maxHosts && all[host] == nil {
		host = ""
	}
	if all[host] == nil {
		all[host] = new(Losses)
	}
	return all[host]
}

// sum is Losses.Sum over all hosts.
func (all hostLosses) sum() (lost map[string]uint64, total uint64) {
	lost = make(map[string]uint64)
	for _, l := range all {
		of, n := l.Sum()
		for cause, n := range of {
			lost[cause] += n
		}
		total += n
	}
	return lost, total
}

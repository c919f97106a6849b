package flow

import (
	"maps"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// explaining are the causes for which the kernel counts lost records of connections that it
// follows. An Auditor finds the same records missing, without the cause. Other causes
// explain no gap: a connection that found no room (conn_map_full) has no known sequence,
// and other events have none at all.
var explaining = map[string]bool{"ring_full": true, "pending_map_full": true, "skipped": true}

// Losses combines the losses counted by cause with the gaps that an Auditor found, so that
// no record counts twice: a gap that a counter of the same direction explains is not a loss
// of its own. The zero value is empty.
type Losses struct {
	byCause   map[string]uint64 // without gaps
	gaps      [2]uint64
	explained [2]uint64
	either    uint64 // explained in one direction or the other: recordings from before the directions were reported
}

// Add enters a loss.
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

// Sum returns the losses by cause, in a new map, and in total.
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

// Gaps finds the gaps that no counter explains, for consumers that cannot take a report back:
// the kernel's counters are read a moment after a gap is found. The zero value is empty.
type Gaps struct {
	losses           Losses
	before, reported uint64
}

// Add enters a loss, with any cause.
func (g *Gaps) Add(e *event.Lost) { g.losses.Add(e) }

// Unexplained returns how many more records are missing that no counter has explained since
// the call before the last. Call it about once a second.
func (g *Gaps) Unexplained() uint64 {
	lost, _ := g.losses.Sum()
	now := lost[CauseGap]
	sure := min(g.before, now)
	more := sure - min(sure, g.reported)
	g.before, g.reported = now, max(g.reported, sure)
	return more
}

// hostLosses are the Losses of each host: the counters of one explain no gap of another.
type hostLosses map[string]*Losses

// maxHosts is how many hosts are kept apart. Only a forged recording has more.
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

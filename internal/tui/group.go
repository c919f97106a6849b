package tui

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
)

// grouping is by what the second view sums connections up.
type grouping int

const (
	byProcess grouping = iota
	byCgroup
	byUnit
	byPod
	byHost
	groupings
)

// groupingNotes say so on the screen; what is by process needs no word.
var groupingNotes = [groupings]string{"", "by cgroup", "by unit", "by pod", "by host"}

// regroup goes on to the next grouping that has something to show.
func (m *Model) regroup() {
	for {
		m.grouped = (m.grouped + 1) % groupings
		if m.grouped == byProcess || len(m.allGroups()) > 0 {
			return
		}
	}
}

func (m *Model) allGroups() []*flow.Group {
	switch m.grouped {
	case byCgroup:
		return m.snap.Cgroups
	case byUnit:
		return m.snap.Units
	case byPod:
		return m.snap.Pods
	case byHost:
		return m.hostGroups()
	}
	return m.snap.Processes
}

// groupFilter is the filter that shows a group's connections alone.
func (m *Model) groupFilter(g *flow.Group) string {
	of := m.ownerFilter(g)
	if g.Host != "" && !g.Whole {
		of = "host==" + quoted(g.Host) + " and (" + of + ")"
	}
	return of
}

func (m *Model) ownerFilter(g *flow.Group) string {
	at := g.Proc.In()
	switch {
	case g.Whole:
		return "host==" + quoted(g.Host)
	case m.grouped == byCgroup:
		return "cgroup==" + strconv.FormatUint(g.Proc.CgroupID, 10)
	case m.grouped == byUnit && at.Unit == "":
		return `not unit contains "."` // which every unit has
	case m.grouped == byUnit:
		return "unit==" + quoted(at.Unit)
	case m.grouped == byPod && at.Pod == "":
		return quoted(at.PodUID)
	case m.grouped == byPod:
		return "namespace==" + quoted(at.Namespace) + " and pod==" + quoted(at.Pod)
	}
	if user := g.Proc.KernelUser(); user != "" {
		return "kernel_user==" + quoted(user)
	}
	return "pid==" + strconv.FormatUint(uint64(g.Proc.PID), 10)
}

// quoted writes a name that is made of ASCII as the language reads it.
func quoted(name string) string { return strconv.Quote(name) }

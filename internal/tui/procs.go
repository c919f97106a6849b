package tui

import (
	"hash/maphash"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/flow"
	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// owner is a process's name, that of a pod or a unit, and in a sum by cgroup that of
// the place, or else the cgroup.
func owner(g *flow.Group) string {
	p := &g.Proc
	at := p.In()
	switch {
	case g.Whole:
		return g.Host
	case p.KernelUser() != "":
		return "[" + p.KernelUser() + "]"
	case p.PID != 0 || p.CgroupID == 0 && p.Place == nil:
		return p.Name()
	case p.CgroupID == 0 && at.PodUID != "":
		return podName(&at)
	case p.CgroupID == 0 && at.Unit == "":
		return "no unit"
	case p.CgroupID == 0:
		return at.Unit
	}
	if name := placeName(p); name != "" {
		return name
	}
	return "cgroup " + strconv.FormatUint(p.CgroupID, 10)
}

// groupColumns are the columns of the view of processes, cgroups, units and pods.
func groupColumns() []column[*flow.Group] {
	type group = *flow.Group
	return []column[group]{
		{name: "OWNER", width: 12, most: 40, prio: 0, help: "the task that was seen at work first, or the cgroup, unit or pod",
			cell:  func(b []byte, g group, _ *env) []byte { return safe.Append(b, owner(g)) },
			order: by(owner)},
		{name: "PID", width: 7, right: true, prio: 4, help: "process",
			cell:  func(b []byte, g group, _ *env) []byte { return appendPID(b, g.Proc.PID) },
			order: by(func(g group) uint32 { return g.Proc.PID })},
		{name: "CGROUP", width: 8, right: true, prio: 12, help: "cgroup id",
			cell:  func(b []byte, g group, _ *env) []byte { return strconv.AppendUint(b, g.Proc.CgroupID, 10) },
			order: by(func(g group) uint64 { return g.Proc.CgroupID })},
		{name: "PLACE", width: 12, most: 64, prio: 7, help: "pod and container, or unit, or container",
			cell:  func(b []byte, g group, _ *env) []byte { return safe.Append(b, placeName(&g.Proc)) },
			order: by(func(g group) string { return placeName(&g.Proc) })},
		{name: "CONNS", width: 6, right: true, prio: 1, down: true, help: "open connections",
			cell:  func(b []byte, g group, _ *env) []byte { return strconv.AppendInt(b, int64(g.Conns), 10) },
			order: by(func(g group) int { return g.Conns })},
		{name: "REC/S", width: 6, right: true, prio: 1, down: true, help: "records a second, both ways",
			cell:  func(b []byte, g group, _ *env) []byte { return appendRate(b, recordRate(&g.Rate)) },
			order: by(func(g group) float64 { return recordRate(&g.Rate) })},
		{name: "TX/S", width: 6, right: true, prio: 3, down: true, help: "bytes sent a second",
			cell:  func(b []byte, g group, _ *env) []byte { return appendRate(b, g.Rate[event.TX].Bytes) },
			order: by(func(g group) float64 { return g.Rate[event.TX].Bytes })},
		{name: "RX/S", width: 6, right: true, prio: 3, down: true, help: "bytes received a second",
			cell:  func(b []byte, g group, _ *env) []byte { return appendRate(b, g.Rate[event.RX].Bytes) },
			order: by(func(g group) float64 { return g.Rate[event.RX].Bytes })},
		{name: "RECS", width: 6, right: true, prio: 5, down: true, help: "records of its connections",
			cell:  func(b []byte, g group, _ *env) []byte { return appendCount(b, recordCount(&g.Totals)) },
			order: by(func(g group) uint64 { return recordCount(&g.Totals) })},
		{name: "BYTES", width: 6, right: true, prio: 5, down: true, help: "bytes of its connections",
			cell:  func(b []byte, g group, _ *env) []byte { return appendCount(b, byteCount(&g.Totals)) },
			order: by(func(g group) uint64 { return byteCount(&g.Totals) })},
		{name: "P50", width: 6, right: true, prio: 2, down: true, help: "median of the total latency, within 12.5 %",
			cell:  func(b []byte, g group, _ *env) []byte { return appendTime(b, g.Lat[g.Busier()].P50) },
			order: by(func(g group) uint64 { return g.Lat[g.Busier()].P50 })},
		{name: "P99", width: 6, right: true, prio: 2, down: true, help: "its 99th percentile, within 12.5 %",
			cell:  func(b []byte, g group, _ *env) []byte { return appendTime(b, g.Lat[g.Busier()].P99) },
			order: by(func(g group) uint64 { return g.Lat[g.Busier()].P99 })},
		{name: "MAX", width: 6, right: true, prio: 7, down: true, help: "its maximum",
			cell:  func(b []byte, g group, _ *env) []byte { return appendTime(b, g.Lat[g.Busier()].Max) },
			order: by(func(g group) uint64 { return g.Lat[g.Busier()].Max })},
		{name: "SPLIT", width: splitWidth, prio: 8, help: "its split",
			paint: func(g group, e *env) line { return e.glyphs.stack(g.Lat[g.Busier()].Stage) }},
		{name: "ERR", width: 4, right: true, prio: 6, down: true, help: "errors",
			tone:  func(g group) tone { return countTone(g.Errors, bad) },
			cell:  func(b []byte, g group, _ *env) []byte { return appendCount(b, g.Errors) },
			order: by(func(g group) uint64 { return g.Errors })},
	}
}

// keySeed lets groups by unit, by pod and of hosts be told apart by their names' hashes.
var keySeed = maphash.MakeSeed()

func keyOfGroup(g *flow.Group) rowKey {
	key := rowKey{a: uint64(g.Proc.PID), b: g.Proc.CgroupID}
	if key.a == 0 && key.b == 0 || g.Host != "" {
		key.c = maphash.Comparable(keySeed, [3]any{g.Proc.In(), g.Host, g.Proc.KernelUser()})
	}
	return key
}

func newGroups() table[*flow.Group] {
	t := table[*flow.Group]{
		cols:  groupColumns(),
		keyOf: keyOfGroup,
		match: func(g *flow.Group, f *Filter) bool { return f.matchGroup(g) },
	}
	t.sort = columnNamed(t.cols, "REC/S")
	return t
}

package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// Group sums up the connections of one owner: a process, a cgroup, a unit, a pod, or a
// host.
type Group struct {
	// Proc is the owner. In a sum by cgroup only CgroupID and Place are set, in others
	// Place alone: of a unit its Unit, empty for what is in none, of a pod its names and
	// UID. Of a host nothing is.
	Proc event.Process
	// Host is whose connections they are, where there are several hosts; Whole says that
	// they are all of it.
	Host   string
	Whole  bool
	Conns  int
	Totals event.Totals
	Rate   [2]Rate
	Lat    [2]Stats
	Errors uint64
	Lost   uint64
}

// Busier is the direction with more bytes.
func (g *Group) Busier() event.Dir {
	if g.Totals.Bytes[event.RX] > g.Totals.Bytes[event.TX] {
		return event.RX
	}
	return event.TX
}

type groupKey struct {
	pid    uint32
	user   string // the part of the kernel
	cgroup uint64
	// place is what units and pods are told apart by.
	place event.Place
	host  string
}

// grouper builds the groups of one kind, in the order of first sight.
type grouper struct {
	index map[groupKey]int
	list  []*Group
	hists [][2]Hists
}

func newGrouper() *grouper { return &grouper{index: make(map[groupKey]int)} }

// groups sums the rows up by process and by cgroup, and these by unit, by pod, and by
// host where there are several.
func (t *Table) groups(s *Snapshot) {
	p, c := newGrouper(), newGrouper()
	for _, e := range t.order {
		proc, host := &e.row.Proc, e.row.Conn.Host
		p.add(groupKey{pid: proc.PID, user: e.row.Conn.KernelUser, host: host}, e, *proc)
		c.add(groupKey{cgroup: proc.CgroupID, host: host}, e, event.Process{CgroupID: proc.CgroupID, Place: proc.Place})
	}
	units, pods, hosts := newGrouper(), newGrouper(), newGrouper()
	for i, g := range c.list {
		at := g.Proc.In()
		units.merge(event.Place{Unit: at.Unit}, g, &c.hists[i])
		if at.PodUID != "" {
			pods.merge(event.Place{Namespace: at.Namespace, Pod: at.Pod, PodUID: at.PodUID}, g, &c.hists[i])
		}
		if g.Host != "" {
			hosts.merge(event.Place{}, g, &c.hists[i])
		}
	}
	s.Processes, s.Cgroups, s.Units, s.Pods, s.Hosts = p.finish(), c.finish(), units.finish(), pods.finish(), hosts.finish()
	for _, g := range s.Hosts { // not all that a host lost is of a connection
		g.Proc, g.Whole = event.Process{}, true
		_, g.Lost = t.lost.of(g.Host).Sum()
	}
}

// group is the place in the list of a key's group.
func (g *grouper) group(key groupKey, owner event.Process) int {
	i, ok := g.index[key]
	if !ok {
		i = len(g.list)
		g.index[key] = i
		g.list = append(g.list, &Group{Proc: owner, Host: key.host})
		g.hists = append(g.hists, [2]Hists{})
	}
	return i
}

func (g *grouper) add(key groupKey, e *entry, owner event.Process) {
	i := g.group(key, owner)
	// Of a cgroup more may have been known later on.
	if known := g.list[i].Proc.Place; owner.Place != nil && (known == nil || known.Pod == "") {
		g.list[i].Proc.Place = owner.Place
	}
	g.list[i].add(e.row)
	for d, h := range e.lat {
		if h != nil {
			g.hists[i][d].merge(h)
		}
	}
}

// merge adds a cgroup to what it belongs to.
func (g *grouper) merge(at event.Place, cgroup *Group, hists *[2]Hists) {
	i := g.group(groupKey{place: at, host: cgroup.Host}, event.Process{Place: &at})
	sum := g.list[i]
	sum.Conns += cgroup.Conns
	sum.Errors += cgroup.Errors
	sum.Lost += cgroup.Lost
	sum.addTraffic(&cgroup.Totals, &cgroup.Rate)
	for d := range hists {
		g.hists[i][d].merge(&hists[d])
	}
}

func (g *Group) add(r *Row) {
	if r.Closed == 0 {
		g.Conns++
	}
	g.Errors += r.Errors
	g.Lost += r.Lost
	g.addTraffic(&r.Totals, &r.Rate)
}

func (g *Group) addTraffic(t *event.Totals, r *[2]Rate) {
	for d := range g.Rate {
		g.Totals.Records[d] += t.Records[d]
		g.Totals.Bytes[d] += t.Bytes[d]
		g.Rate[d].Records += r[d].Records
		g.Rate[d].Bytes += r[d].Bytes
	}
}

func (g *grouper) finish() []*Group {
	for i, group := range g.list {
		for d := range group.Lat {
			group.Lat[d] = g.hists[i][d].stats()
		}
	}
	return g.list
}

package flow

import "github.com/ktlstop/ktlstop/pkg/event"

// Group sums up the connections of one owner: a process, a cgroup, or a host.
type Group struct {
	// Proc is the owner. In a sum by cgroup only CgroupID and Container are set, in
	// one by host nothing.
	Proc event.Process
	// Host is whose connections they are, where there are several hosts.
	Host   string
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
	cgroup uint64
	host   string
}

// grouper builds the groups of one kind, in the order of first sight.
type grouper struct {
	index map[groupKey]int
	list  []*Group
	hists [][2]Hists
}

// groups sums the rows up by process, by cgroup, and by host where there are several.
func (t *Table) groups(s *Snapshot) {
	p := grouper{index: make(map[groupKey]int)}
	c := grouper{index: make(map[groupKey]int)}
	h := grouper{index: make(map[groupKey]int)}
	for _, e := range t.order {
		proc, host := &e.row.Proc, e.row.Conn.Host
		p.add(groupKey{pid: proc.PID, host: host}, e, *proc)
		c.add(groupKey{cgroup: proc.CgroupID, host: host}, e, event.Process{CgroupID: proc.CgroupID, Container: proc.Container})
		if host != "" {
			h.add(groupKey{host: host}, e, event.Process{})
		}
	}
	s.Processes, s.Cgroups, s.Hosts = p.finish(), c.finish(), h.finish()
	for _, g := range s.Hosts { // not all that a host lost is of a connection
		_, g.Lost = t.lost.of(g.Host).Sum()
	}
}

func (g *grouper) add(key groupKey, e *entry, owner event.Process) {
	i, ok := g.index[key]
	if !ok {
		i = len(g.list)
		g.index[key] = i
		g.list = append(g.list, &Group{Proc: owner, Host: key.host})
		g.hists = append(g.hists, [2]Hists{})
	}
	g.list[i].add(e.row)
	for d, h := range e.lat {
		if h != nil {
			g.hists[i][d].merge(h)
		}
	}
}

func (g *Group) add(r *Row) {
	if r.Closed == 0 {
		g.Conns++
	}
	g.Errors += r.Errors
	g.Lost += r.Lost
	for d := range g.Rate {
		g.Totals.Records[d] += r.Totals.Records[d]
		g.Totals.Bytes[d] += r.Totals.Bytes[d]
		g.Rate[d].Records += r.Rate[d].Records
		g.Rate[d].Bytes += r.Rate[d].Bytes
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

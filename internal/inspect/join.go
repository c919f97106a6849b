package inspect

import (
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// joiner finds which requests a proxy makes for which requests of its clients. Both legs
// are of one process, and the second begins while the first is under way. Which belong
// together an id in their fields says, or else that only one of them can be meant: where
// several can, none is taken.
type joiner struct {
	proxies map[uint32]*proxy // by process; those without a leg are not kept
	listed  int               // legs of all
}

// proxy is a process that is asked, and maybe asks others. It lists the requests that are
// under way, or wait for their other leg; unlisted are clients' for which there was no room.
type proxy struct {
	pid                uint32
	clients, upstreams []*exchange
	unlisted           int
}

// leg is what joining knows of a request, from when its head was seen until it is told.
type leg struct {
	of     *proxy
	listed bool
	ids    []string
	ended  bool
	// made are the upstream requests that were made for a client's.
	made []*exchange
	// unclear are upstream requests that may have been made for a client's.
	unclear []*exchange
	// maybe are the clients' requests that an upstream one can have been made for, and
	// by says how they were found.
	maybe []*exchange
	by    finding.JoinedBy
}

func newJoiner() *joiner { return &joiner{proxies: map[uint32]*proxy{}} }

// asked enters a request whose head was seen.
func (j *joiner) asked(ex *exchange) {
	if j == nil || ex.ev.Proc.PID == 0 || ex.leg != nil {
		return
	}
	p, ok := j.proxies[ex.ev.Proc.PID]
	if !ok {
		p = &proxy{pid: ex.ev.Proc.PID}
	}
	l := &leg{of: p, ids: idsOf(ex.ev.Request.Headers), listed: j.listed < maxLegs}
	if ex.ev.Dir == event.RX {
		ex.leg = l
		if j.proxies[p.pid] = p; !l.listed {
			p.unlisted++
			return
		}
		p.clients = append(p.clients, ex)
		j.listed++
		return
	}
	if l.maybe, l.by = p.candidates(ex.ev.Request, l.ids); len(l.maybe) == 0 || !l.listed {
		return
	}
	ex.leg = l
	p.upstreams = append(p.upstreams, ex)
	j.listed++
	if len(l.maybe) == 1 {
		l.joinTo(l.maybe[0], ex, l.by)
		return
	}
	for _, c := range l.maybe {
		c.leg.unclear = append(c.leg.unclear, ex)
	}
}

// candidates are the clients' requests that an upstream one can be made for: those with
// its id, or else those that ask for the same. One trace's id can be that of several.
func (p *proxy) candidates(u *finding.Request, ids []string) ([]*exchange, finding.JoinedBy) {
	var same, alike, both []*exchange
	for _, c := range p.clients {
		if c.leg.ended {
			continue
		}
		byID, byPath := shareID(c.leg.ids, ids), asksAlike(c.ev.Request, u)
		if byID {
			same = append(same, c)
		}
		if byPath {
			alike = append(alike, c)
		}
		if byID && byPath {
			both = append(both, c)
		}
	}
	switch {
	case len(same) > 1 && len(both) > 0:
		return both, finding.ByID
	case len(same) > 0:
		return same, finding.ByID
	case p.unlisted > 0: // it may be of one that is not here
		return nil, 0
	}
	return alike, finding.ByOrder
}

// asksAlike: a proxy keeps the method, and may put something before the path or take it away.
func asksAlike(c, u *finding.Request) bool {
	if c.Method == "" || c.Method != u.Method {
		return false
	}
	cPath, cQuery, _ := strings.Cut(c.Path, "?")
	uPath, uQuery, _ := strings.Cut(u.Path, "?")
	return cQuery == uQuery && (cPath == uPath || endsWith(cPath, uPath) || endsWith(uPath, cPath))
}

// endsWith: the segments of end, of which there has to be one, are the last of path.
func endsWith(path, end string) bool {
	return strings.HasPrefix(end, "/") && strings.Trim(end, "/") != "" && strings.HasSuffix(path, end)
}

func (l *leg) joinTo(c, u *exchange, by finding.JoinedBy) {
	l.maybe, l.by = []*exchange{c}, by
	c.leg.made = append(c.leg.made, u)
}

// over takes an exchange that has ended, and tells those whose other leg has ended too, or
// cannot be known.
func (j *joiner) over(s *stream, ex *exchange) {
	l := ex.leg
	if l == nil || !l.listed {
		if l != nil {
			l.of.unlisted--
			j.forget(l.of)
		}
		s.after(&ex.ev)
		return
	}
	l.ended = true
	if ex.ev.Response != nil {
		l.ids = append(l.ids, idsOf(ex.ev.Response.Headers)...)
	}
	if ex.ev.Dir == event.RX {
		l.settle(ex)
	}
	j.tellWhole(s, l.of)
	j.forget(l.of)
}

// tellWhole tells of the requests about which nothing more can be learned.
func (j *joiner) tellWhole(s *stream, p *proxy) {
	before := len(p.clients) + len(p.upstreams)
	p.clients = slices.DeleteFunc(p.clients, func(c *exchange) bool {
		if !c.leg.ended || !allEnded(c.leg.made) {
			return false
		}
		c.tellJoined(s)
		return true
	})
	p.upstreams = slices.DeleteFunc(p.upstreams, func(u *exchange) bool {
		if !u.leg.ended || !allEnded(u.leg.maybe) {
			return false
		}
		u.tellAlone(s)
		return true
	})
	j.listed -= before - len(p.clients) - len(p.upstreams)
}

func allEnded(all []*exchange) bool {
	return !slices.ContainsFunc(all, func(ex *exchange) bool { return !ex.leg.ended })
}

func (j *joiner) forget(p *proxy) {
	if len(p.clients)+len(p.upstreams)+p.unlisted == 0 {
		delete(j.proxies, p.pid)
	}
}

// settle: a client's request ends. An id of its answer can say which upstream ones are its;
// what is still not clear stays so.
func (l *leg) settle(c *exchange) {
	for _, u := range l.unclear {
		if u.leg.isUnclear() && u.leg.by == finding.ByOrder && shareID(l.ids, u.leg.ids) {
			u.leg.joinTo(c, u, finding.ByID)
		}
	}
}

// isUnclear: an upstream request can have been made for several.
func (l *leg) isUnclear() bool { return len(l.maybe) > 1 }

// tellJoined tells a client's request with those made for it.
func (c *exchange) tellJoined(s *stream) {
	for _, u := range c.leg.made {
		c.ev.Upstream = append(c.ev.Upstream, finding.Upstream{HTTP: &u.ev, By: u.leg.by, After: u.begun - min(c.begun, u.begun)})
	}
	for _, u := range c.leg.unclear { // an id may have said since whose it is
		if u.leg.isUnclear() {
			c.ev.Ambiguous++
		}
	}
	c.ev.Added = added(&c.ev)
	s.after(&c.ev)
}

// tellAlone tells an upstream request that is in no other's line.
func (u *exchange) tellAlone(s *stream) {
	if n := len(u.leg.maybe); n > 1 {
		u.ev.Ambiguous = n
		s.after(&u.ev)
	}
}

// added is how long a request took while nothing of it was under way upstream; 0 where that
// is not known.
func added(c *finding.HTTP) uint64 {
	if len(c.Upstream) == 0 {
		return 0
	}
	own, until := c.Duration, uint64(0)
	for _, u := range c.Upstream { // in the order in which they began
		if u.Duration == 0 {
			return 0
		}
		from, to := max(u.After, until), u.After+u.Duration
		if to > from {
			own -= min(own, to-from)
			until = to
		}
	}
	return own
}

// idsOf are the ids by which requests are followed, each with the name of its field.
func idsOf(fields []finding.Header) (ids []string) {
	for _, f := range fields {
		name, id := strings.ToLower(f.Name), f.Value
		switch name {
		case "x-request-id", "x-correlation-id", "request-id", "x-b3-traceid":
		case "traceparent": // version-trace-parent-flags: a proxy may be a parent of its own
			parts := strings.Split(id, "-")
			if len(parts) < 4 {
				continue
			}
			id = parts[1]
		default:
			continue
		}
		if strings.Trim(id, "*") != "" { // else it is masked
			ids = append(ids, name+" "+id)
		}
	}
	return ids
}

func shareID(a, b []string) bool {
	return slices.ContainsFunc(a, func(id string) bool { return slices.Contains(b, id) })
}

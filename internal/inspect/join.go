package inspect

import (
	"slices"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// joiner finds the upstream requests that a proxy makes for the requests of its clients. Both
// belong to one process, and the upstream request begins while the other is in progress. An
// id in their fields identifies the pair, or the fact that only one request is possible: if
// several are, joiner joins none.
type joiner struct {
	proxies map[uint32]*proxy // by process; those without a leg are not kept
	listed  int               // legs of all
}

// proxy is a process that gets requests and may make others. It lists its requests that are
// in progress or wait for their other leg, up to a limit; unlisted counts the clients'
// requests that found no room. Clients' requests in progress are found by their ids and by
// their targets.
type proxy struct {
	pid              uint32
	listed, unlisted int
	byID, byTarget   map[string][]*exchange // the oldest first
}

// maxMeant bounds the requests that an upstream request can belong to. With more, nothing is
// reported about them.
const maxMeant = 64

// leg is the state of a request for joining, from when its head was seen until it is
// reported.
type leg struct {
	of       *proxy
	listed   bool
	reported bool
	ids      []string
	target   string // of a client's
	ended    bool
	// made are the upstream requests that were made for a client's.
	made []*exchange
	// ambiguous are upstream requests that may have been made for a client's.
	ambiguous []*exchange
	// open counts those of ambiguous for which an id may still come; awaitsID reports that
	// of an upstream request.
	open     int
	awaitsID bool
	// maybe are the clients' requests that an upstream request may have been made for, and by
	// is how they were found.
	maybe []*exchange
	by    finding.JoinedBy
}

func newJoiner() *joiner { return &joiner{proxies: map[uint32]*proxy{}} }

// addRequest enters a request whose head was seen.
func (j *joiner) addRequest(ex *exchange) {
	if j == nil || ex.ev.Proc.PID == 0 || ex.leg != nil {
		return
	}
	p, ok := j.proxies[ex.ev.Proc.PID]
	if !ok {
		p = &proxy{pid: ex.ev.Proc.PID, byID: map[string][]*exchange{}, byTarget: map[string][]*exchange{}}
	}
	l := &leg{of: p, ids: idsOf(ex.ev.Request.Headers), listed: j.listed < maxLegs}
	if ex.ev.Dir == event.RX {
		ex.leg = l
		if j.proxies[p.pid] = p; !l.listed {
			p.unlisted++
			return
		}
		p.enter(ex)
		j.listed++
		return
	}
	if l.maybe, l.by = p.candidates(ex.ev.Request, l.ids); len(l.maybe) == 0 || !l.listed {
		return
	}
	ex.leg = l
	p.listed++
	j.listed++
	if len(l.maybe) == 1 {
		l.joinTo(l.maybe[0], ex, l.by)
		return
	}
	l.awaitsID = l.by == finding.ByOrder
	for _, c := range l.maybe {
		if c.leg.ambiguous = append(c.leg.ambiguous, ex); l.awaitsID {
			c.leg.open++
		}
	}
}

// enter lists a client's request, and leave removes it when it is no longer in progress.
func (p *proxy) enter(c *exchange) {
	p.listed++
	for _, id := range c.leg.ids {
		p.byID[id] = append(p.byID[id], c)
	}
	t := target(c.ev.Request)
	c.leg.target, p.byTarget[t] = t, append(p.byTarget[t], c)
}

func (p *proxy) leave(c *exchange) {
	for _, id := range c.leg.ids {
		drop(p.byID, id, c)
	}
	drop(p.byTarget, c.leg.target, c)
}

func drop(from map[string][]*exchange, key string, c *exchange) {
	all := from[key]
	if i := slices.Index(all, c); i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	if from[key] = all; len(all) == 0 {
		delete(from, key)
	}
}

// candidates returns the clients' requests that an upstream request can belong to: those with
// its id, or else those with the same target. Several requests can share the id of a trace.
func (p *proxy) candidates(u *finding.Request, ids []string) ([]*exchange, finding.JoinedBy) {
	var same []*exchange
	for _, id := range ids {
		for _, c := range p.byID[id] {
			if len(same) <= maxMeant && !slices.Contains(same, c) {
				same = append(same, c)
			}
		}
	}
	switch both := alike(same, u); {
	case len(same) > maxMeant:
		return nil, 0
	case len(same) > 1 && len(both) > 0:
		return both, finding.ByID
	case len(same) > 0:
		return same, finding.ByID
	case p.unlisted > 0: // it may be of one that is not here
		return nil, 0
	}
	all := alike(p.byTarget[target(u)], u)
	if len(all) > maxMeant {
		return nil, 0
	}
	return all, finding.ByOrder
}

// alike returns the requests with the same target as u, at most one more than maxMeant.
func alike(clients []*exchange, u *finding.Request) (all []*exchange) {
	for _, c := range clients {
		if sameRequest(c.ev.Request, u) {
			all = append(all, c)
		}
		if len(all) > maxMeant {
			break
		}
	}
	return all
}

// target is what requests that ask for the same have in common: the method, the last segment
// of the path and the query.
func target(r *finding.Request) string {
	path, query, _ := strings.Cut(r.Path, "?")
	last := strings.LastIndexByte(strings.TrimRight(path, "/"), '/')
	return r.Method + " " + path[max(last, 0):] + "?" + query
}

// sameRequest reports whether u can be the request c upstream: a proxy keeps the method, and
// may add or remove a prefix of the path.
func sameRequest(c, u *finding.Request) bool {
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

// over processes the end of an exchange, and reports the exchanges whose other leg has ended
// as well, or cannot be known.
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
	if ex.ev.Dir == event.RX {
		l.of.leave(ex)
	}
	if ex.ev.Response != nil {
		l.ids = append(l.ids, idsOf(ex.ev.Response.Headers)...)
	}
	known := ex.resolve()
	for _, other := range slices.Concat(known, []*exchange{ex}, l.made, l.ambiguous, l.maybe) {
		j.reportComplete(s, other)
	}
	j.forget(l.of)
}

// reportComplete reports a request if nothing more can be learned about it.
func (j *joiner) reportComplete(s *stream, ex *exchange) {
	l := ex.leg
	if l.reported || !l.ended || !allEnded(l.made) || !allEnded(l.maybe) || l.open > 0 {
		return
	}
	l.reported = true
	l.of.listed--
	j.listed--
	if ex.ev.Dir == event.RX {
		ex.reportJoined(s)
	} else {
		ex.reportUnjoined(s)
	}
}

func allEnded(all []*exchange) bool {
	return !slices.ContainsFunc(all, func(ex *exchange) bool { return !ex.leg.ended })
}

func (j *joiner) forget(p *proxy) {
	if p.listed+p.unlisted == 0 {
		delete(j.proxies, p.pid)
	}
}

// resolve uses the ids of a request that has ended, which are all known then, to find its
// other leg. What is ambiguous when all have ended stays so. It returns the clients' requests
// that no further id can resolve.
func (ex *exchange) resolve() (known []*exchange) {
	if ex.ev.Dir == event.TX {
		return ex.resolveFor(ex.leg.maybe...)
	}
	for _, u := range ex.leg.ambiguous {
		known = append(known, u.resolveFor(ex)...)
	}
	return known
}

// resolveFor joins an ended upstream request to the one of clients that an id identifies.
func (u *exchange) resolveFor(clients ...*exchange) (known []*exchange) {
	l := u.leg
	if !l.awaitsID {
		return nil
	}
	for _, c := range clients {
		if c.leg.ended && shareID(c.leg.ids, l.ids) {
			known = l.close()
			l.joinTo(c, u, finding.ByID)
			return known
		}
	}
	if l.ended && (len(l.ids) == 0 || allEnded(l.maybe)) {
		return l.close()
	}
	return nil
}

// close is called when no further id can resolve an upstream request.
func (l *leg) close() (known []*exchange) {
	l.awaitsID = false
	for _, c := range l.maybe {
		if c.leg.open--; c.leg.open == 0 {
			known = append(known, c)
		}
	}
	return known
}

// isAmbiguous reports whether an upstream request can belong to several requests.
func (l *leg) isAmbiguous() bool { return len(l.maybe) > 1 }

// reportJoined reports a client's request with those made for it.
func (c *exchange) reportJoined(s *stream) {
	for _, u := range c.leg.made {
		by := u.leg.by
		if shareID(c.leg.ids, u.leg.ids) { // which an answer may have reported after order did
			by = finding.ByID
		}
		c.ev.Upstream = append(c.ev.Upstream, finding.Upstream{HTTP: &u.ev, By: by, After: u.begun - min(c.begun, u.begun)})
	}
	for _, u := range c.leg.ambiguous { // an id may have said since whose it is
		if u.leg.isAmbiguous() {
			c.ev.Ambiguous++
		}
	}
	c.ev.Added = added(&c.ev)
	s.after(&c.ev)
}

// reportUnjoined reports an upstream request that is not in the line of another.
func (u *exchange) reportUnjoined(s *stream) {
	if n := len(u.leg.maybe); n > 1 {
		u.ev.Ambiguous = n
		s.after(&u.ev)
	}
}

// added returns how long a request took while no upstream request for it was in progress; 0
// if that is not known.
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

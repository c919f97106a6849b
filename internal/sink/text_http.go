package sink

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// http writes a request and its response on one line of any length.
func (p *printer) http(h *finding.HTTP) {
	if p.cfg.log {
		p.logHTTP(h)
		return
	}
	p.lead(h.Mono, &h.Conn, &h.Proc, h.Dir.String())
	p.bothMessages(h)
	p.conn(&h.Conn)
	for _, u := range h.Upstream {
		p.str(" via ")
		p.bothMessages(u.HTTP)
		p.conn(&u.Conn)
		p.str(" by ")
		p.str(u.By.String())
	}
	p.added(h)
	p.end()
}

// added writes the time that a proxy itself took, and how many requests of the other side
// may belong to this one.
func (p *printer) added(h *finding.HTTP) {
	if h.Added > 0 {
		p.str(" added ")
		p.dst = units.AppendDuration(p.dst, h.Added)
	}
	if h.Ambiguous > 0 {
		p.str([...]string{event.TX: " for one of ", event.RX: " maybe via "}[h.Dir&1])
		p.num(uint64(h.Ambiguous))
	}
}

// bothMessages writes a request and its response, and a blank.
func (p *printer) bothMessages(h *finding.HTTP) {
	p.str("HTTP/")
	p.str(h.Version)
	if h.Stream != 0 {
		p.str(" stream ")
		p.num(uint64(h.Stream))
	}
	p.request(h.Request)
	p.response(h.Response)
	if h.Duration > 0 {
		p.str(" in ")
		p.dst = units.AppendDuration(p.dst, h.Duration)
	}
	if h.End != finding.Complete {
		p.str(" (")
		p.str(h.End.String())
		p.str(")")
	}
	p.str(" ")
}

func (p *printer) request(r *finding.Request) {
	if r == nil {
		p.str(" request not seen")
		return
	}
	for _, s := range []string{r.Method, r.Host + r.Path} {
		p.str(" ")
		p.str(Sanitize(s))
	}
	p.sizes(&r.Message)
}

func (p *printer) response(r *finding.Response) {
	p.str(" > ")
	switch {
	case r == nil:
		p.str("response not seen")
		return
	case r.Status == 0:
		p.str("status unknown")
	default:
		p.str(strconv.Itoa(r.Status))
	}
	p.sizes(&r.Message)
}

// sizes writes the bytes of head and body, exactly.
func (p *printer) sizes(m *finding.Message) {
	p.str(" ")
	p.num(m.HeadLen)
	p.str("+")
	p.num(m.BodyLen)
	p.str(" B")
}

func (p *printer) note(n *finding.Note) {
	p.lead(n.Mono, &n.Conn, &n.Proc, n.Dir.String())
	p.str("[")
	p.str(Sanitize(n.Text))
	p.str("] ")
	p.conn(&n.Conn)
	p.end()
}

package sink

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/units"
)

// http writes a request and its response on one line of any length.
func (p *printer) http(h *finding.HTTP) {
	p.lead(h.Mono, &h.Conn, &h.Proc, h.Dir.String())
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
	p.conn(&h.Conn)
	p.end()
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

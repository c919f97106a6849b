package sink

import (
	"strconv"

	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// http writes a request and its response on one line of any length.
func (p *printer) http(h *event.HTTP) {
	p.lead(h.Mono, &h.Proc, h.Dir)
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
	if h.End != event.HTTPComplete {
		p.str(" (")
		p.str(h.End.String())
		p.str(")")
	}
	p.str(" ")
	p.endpoint(h.Conn.RAddr, h.Conn.RPort)
	p.flush()
}

func (p *printer) request(r *event.HTTPRequest) {
	if r == nil {
		p.str(" request not seen")
		return
	}
	for _, s := range []string{r.Method, r.Host + r.Path} {
		p.str(" ")
		p.str(Sanitize(s))
	}
	p.sizes(&r.HTTPMessage)
}

func (p *printer) response(r *event.HTTPResponse) {
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
	p.sizes(&r.HTTPMessage)
}

// sizes writes the bytes of head and body, exactly.
func (p *printer) sizes(m *event.HTTPMessage) {
	p.str(" ")
	p.num(m.HeadLen)
	p.str("+")
	p.num(m.BodyLen)
	p.str(" B")
}

func (p *printer) note(n *event.Note) {
	p.lead(n.Mono, &n.Proc, n.Dir)
	p.str("[")
	p.str(Sanitize(n.Text))
	p.str("] ")
	p.endpoint(n.Conn.RAddr, n.Conn.RPort)
	p.flush()
}

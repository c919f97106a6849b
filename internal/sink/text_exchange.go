package sink

import (
	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/units"
)

// exchange writes a request and its reply on one line of any length.
func (p *printer) exchange(x *finding.Exchange) {
	if p.cfg.log {
		p.logExchange(x)
		return
	}
	p.lead(x.Mono, &x.Conn, &x.Proc, x.Dir.String())
	p.str(Sanitize(x.Protocol))
	p.word(x.ID)
	if x.Op == "" {
		p.str(" request not seen")
	} else {
		p.word(x.Op)
		p.word(x.Detail)
		p.bytes(x.RequestLen)
	}
	p.str(" > ")
	if x.Status == "" {
		p.str("reply not seen")
	} else {
		p.str(Sanitize(x.Status))
		p.bytes(x.ReplyLen)
	}
	if x.Duration > 0 {
		p.str(" in ")
		p.dst = units.AppendDuration(p.dst, x.Duration)
	}
	if x.End != finding.Complete {
		p.str(" (")
		p.str(x.End.String())
		p.str(")")
	}
	p.str(" ")
	p.conn(&x.Conn)
	p.end()
}

// word writes a space and a word that others chose, if it is not empty.
func (p *printer) word(s string) {
	if s != "" {
		p.str(" ")
		p.str(Sanitize(s))
	}
}

// bytes writes a length behind a space, exactly.
func (p *printer) bytes(n uint64) {
	p.str(" ")
	p.num(n)
	p.str(" B")
}

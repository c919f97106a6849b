package sink

import (
	"strconv"
	"strings"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/internal/units"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// A log has one line for each request, with the fields of access logs in their order. A dash
// stands for what is not known.

const logHeader = "TIME         CLIENT \"REQUEST\" STATUS BYTES DURATION PROCESS\n"

// NewLog returns a Sink that writes requests with their responses like an access log, and
// omits records and sockets. All other events go to rest: errors and losses, those of the
// queue included.
func NewLog(q *Queue, cfg TextConfig, rest Sink) Sink {
	cfg.log = true
	return &accessLog{lines: NewText(q, cfg).lines, rest: rest}
}

type accessLog struct {
	lines
	rest Sink
}

// Write implements Sink.
func (l *accessLog) Write(ev event.Event) error {
	switch ev := ev.(type) {
	case *finding.HTTP, *finding.Exchange:
		return l.spell(ev)
	case *event.Record, *event.Socket:
		return nil
	case *event.Summary:
		return l.rest.Write(l.account(ev))
	}
	return l.rest.Write(ev)
}

// Flush implements Sink.
func (l *accessLog) Flush() error {
	if err := l.losses(l.rest.Write); err != nil {
		return err
	}
	if err := l.rest.Flush(); err != nil {
		return err
	}
	return l.q.Flush()
}

// logHTTP writes a request and its response: bytes are those of the response's content.
func (p *printer) logHTTP(h *finding.HTTP) {
	p.logClient(h.Mono, &h.Conn, h.Dir)
	p.str(`"`)
	if r := h.Request; r != nil {
		p.logWord(r.Method)
		p.str(" ")
		p.logWord(r.Host + r.Path)
	} else {
		p.str("- -")
	}
	p.str(" HTTP/")
	p.str(h.Version)
	p.str(`" `)
	p.logAnswer(h)
	p.logProcess(&h.Proc)
	for _, u := range h.Upstream {
		p.str(" via ")
		p.endpoint(u.Conn.RAddr, u.Conn.RPort)
		p.str(" ")
		p.logAnswer(u.HTTP)
		p.str(u.By.String())
	}
	p.added(h)
	p.end()
}

// logExchange writes a request and its reply of another protocol: bytes are those of the reply.
func (p *printer) logExchange(x *finding.Exchange) {
	p.logClient(x.Mono, &x.Conn, x.Dir)
	p.str(`"`)
	p.logWord(x.Op)
	if x.Detail != "" {
		p.str(" ")
		p.logWord(x.Detail)
	}
	p.str(" ")
	p.logWord(x.Protocol)
	p.str(`" `)
	if x.Status == "" {
		p.str("- -")
	} else {
		p.logStatus(x.Status)
		p.str(" ")
		p.num(x.ReplyLen)
	}
	p.str(" ")
	p.logEnd(x.Duration, x.End)
	p.logProcess(&x.Proc)
	p.end()
}

// logStatus writes a status, in quotes where it has several words.
func (p *printer) logStatus(s string) {
	quote := ""
	if strings.ContainsAny(s, " \"") {
		quote = `"`
	}
	p.str(quote)
	p.logWord(s)
	p.str(quote)
}

// logClient writes when something was done, and for whom: of what this host asks it is
// "> " and the server.
func (p *printer) logClient(mono uint64, c *event.Conn, d event.Dir) {
	p.clockTo(mono, 3)
	if d == event.TX {
		p.str("> ")
	}
	p.endpoint(c.RAddr, c.RPort)
	p.str(" ")
}

// logWord writes a word within quotes that others chose.
func (p *printer) logWord(s string) {
	if s == "" {
		s = "-"
	}
	for _, r := range Sanitize(s) {
		if r == '"' || r == '\\' {
			p.str(`\`)
		}
		p.str(string(r))
	}
}

func (p *printer) logAnswer(h *finding.HTTP) {
	if r := h.Response; r == nil {
		p.str("- -")
	} else {
		p.str(statusOf(r))
		p.str(" ")
		p.num(r.BodyLen)
	}
	p.str(" ")
	p.logEnd(h.Duration, h.End)
}

// logEnd writes how long something took, and how it ended if not well.
func (p *printer) logEnd(ns uint64, end finding.End) {
	p.logDuration(ns)
	if end != finding.Complete {
		p.str("(")
		p.str(end.String())
		p.str(") ")
	}
}

func statusOf(r *finding.Response) string {
	if r.Status == 0 {
		return "-"
	}
	return strconv.Itoa(r.Status)
}

func (p *printer) logDuration(ns uint64) {
	if ns == 0 {
		p.str("-")
	} else {
		p.dst = units.AppendDuration(p.dst, ns)
	}
	p.str(" ")
}

func (p *printer) logProcess(proc *event.Process) {
	p.str(Sanitize(proc.Name()))
	p.str("[")
	p.num(uint64(proc.PID))
	p.str("]")
}

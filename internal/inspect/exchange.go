package inspect

import (
	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// exchange is a request and its response in progress.
type exchange struct {
	ev       finding.HTTP
	method   string
	begun    uint64 // when the request's first record came
	sure     bool   // that the next response is its
	gap      bool   // some of it was not seen
	reported bool
	sides    [2]side // of HTTP/2, by direction
	leg      *leg    // nil where it is not joined
}

// side is one direction of a stream of HTTP/2.
type side struct {
	message *finding.Message // nil until its head was seen
	content masker
	ended   bool
}

// newExchange begins an exchange with the next byte of s.
func newExchange(s *stream, request event.Dir) *exchange {
	ex := &exchange{begun: s.begun(s.pos), sure: !s.conn.uncertain}
	ex.ev.Conn, ex.ev.TLS, ex.ev.Proc, ex.ev.Dir = s.now.Conn, s.now.TLS, s.now.Proc, request
	return ex
}

// report reports an exchange, once.
func (c *conn) report(s *stream, ex *exchange, how finding.End) {
	if ex.reported || ex.ev.Request == nil && ex.ev.Response == nil {
		return
	}
	ex.reported = true
	if ex.gap && how == finding.Complete {
		how = finding.Gap
	}
	ex.ev.End, ex.ev.Mono = how, s.now.Mono
	if ex.ev.Request != nil && ex.ev.Response != nil && ex.ev.Mono > ex.begun {
		ex.ev.Duration = ex.ev.Mono - ex.begun
		ex.ev.Proc = s.now.Proc
	}
	s.in.join.over(s, ex)
}

// cut is how a stream ended that did not.
func (ex *exchange) cut() finding.End {
	if ex.ev.Response == nil {
		return finding.Unanswered
	}
	return finding.Closed
}

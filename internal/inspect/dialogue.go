package inspect

import (
	"bytes"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// dialogue is the state of a connection that speaks a dialect: the requests that wait for
// their replies, and what its two directions need to know of each other.
type dialogue struct {
	of      *dialect
	client  event.Dir
	waiting []*call // the oldest first
	// uncertain reports that messages are missing, so that a reply may belong to another
	// request, or be the rest of one. replied reports that the reply of a request that was
	// seen has come since.
	uncertain, replied bool
	// shared is the state of the dialect.
	shared any
}

// call is a request and its reply in progress.
type call struct {
	ev       finding.Exchange
	begun    uint64 // when the request's first record came, 0 where it was not seen
	gap      bool   // some of it was not seen
	reported bool
	// whole reports that the request was seen to its end, or to where the server must answer.
	whole bool
	// answering reports that its reply has begun.
	answering bool
	// secret reports that the reply contains secrets.
	secret bool
	// note is what the dialect needs to know of the request when the reply comes.
	note any
}

// talk starts the dialogue of a connection that speaks a dialect, of which s is one
// direction. joined reports that something may have come before.
func (c *conn) talk(s *stream, d *dialect, v verdict, joined bool) *dialogue {
	if c.dialogue == nil {
		c.dialogue = &dialogue{of: d, client: s.dir, uncertain: joined}
		if v == ofServer {
			c.dialogue.client = s.dir ^ 1
		}
	}
	return c.dialogue
}

// newCall begins a call with the byte of s at an offset.
func (d *dialogue) newCall(s *stream) *call {
	return &call{ev: finding.Exchange{
		Conn: s.now.Conn, TLS: s.now.TLS, Proc: s.now.Proc, Dir: d.client, Protocol: d.of.name,
	}}
}

// beginRequest begins a request with the byte at an offset. id may be empty. The caller sets
// the operation and its detail.
func (d *dialogue) beginRequest(s *stream, at uint64, id string) *call {
	if old := d.find(id); id != "" && old != nil { // taken anew: nothing answers the old one
		d.report(s, old, finding.Unanswered)
	}
	if len(d.waiting) >= maxPending {
		s.in.note(s, "more than %d requests wait for a reply: the oldest is given up", maxPending)
		d.report(s, d.waiting[0], finding.Unanswered)
	}
	d.resolveDoubt()
	c := d.newCall(s)
	c.begun, c.ev.ID, c.secret = s.begun(at), id, d.uncertain
	d.waiting = append(d.waiting, c)
	return c
}

// resolveDoubt clears uncertain when a client sends a request after it got a reply: it waits
// for no other reply, unless it sends requests in advance.
func (d *dialogue) resolveDoubt() {
	if d.replied && len(d.waiting) == 0 {
		d.uncertain = false
	}
}

// endRequest processes the end of a request. If replies are not seen, it reports the request.
func (d *dialogue) endRequest(s *stream, c *call) {
	if c.whole = true; s.conn.oneWay(s.dir) {
		d.report(s, c, finding.Complete)
	}
}

// find returns the request that a reply with this id answers, the oldest if the id is empty,
// and nil if no request waits.
func (d *dialogue) find(id string) *call {
	for _, c := range d.waiting {
		if c.ev.ID == id {
			return c
		}
	}
	return nil
}

// answered returns the call of a reply. If its request was not seen, that is a call without
// a request, whose reply may contain secrets.
func (d *dialogue) answered(s *stream, id string) *call {
	c := d.find(id)
	if c == nil {
		s.conn.noteUnseen(s)
		c = d.newCall(s)
		c.ev.ID, c.secret = id, true
	}
	c.secret = c.secret || !c.whole || d.uncertain
	c.answering = true
	return c
}

// report reports a call and removes it.
func (d *dialogue) report(s *stream, c *call, how finding.End) {
	d.waiting = slices.DeleteFunc(d.waiting, func(w *call) bool { return w == c })
	if c.reported {
		return
	}
	c.reported = true
	if c.gap && how == finding.Complete {
		how = finding.Gap
	}
	c.ev.End, c.ev.Mono = how, s.now.Mono
	d.replied = d.replied || c.answering && c.begun > 0 && how == finding.Complete
	if c.answering && c.begun > 0 {
		c.ev.Proc = s.now.Proc
		if c.ev.Mono > c.begun {
			c.ev.Duration = c.ev.Mono - c.begun
		}
	}
	ev := c.ev
	s.after(&ev)
}

// cut ends a call with a message that was not seen whole.
func (d *dialogue) cut(s *stream, c *call) {
	if c != nil && (c.answering || s.dir == d.client) {
		d.report(s, c, finding.Gap)
	}
}

// interrupt processes a gap in s, which may have contained replies.
func (d *dialogue) interrupt(s *stream) {
	d.uncertain, d.replied = true, false
	if s.dir != d.client && !d.of.numbered {
		d.giveUp(s, finding.Gap)
	}
}

// giveUp reports the calls that wait.
func (d *dialogue) giveUp(s *stream, how finding.End) {
	for len(d.waiting) > 0 {
		c := d.waiting[0]
		if how != finding.Gap && !c.answering {
			d.report(s, c, finding.Unanswered)
			continue
		}
		d.report(s, c, how)
	}
}

const (
	// maxWord limits an argument in the detail of a request, maxDetail all of its
	// arguments, and maxStatus a status, in bytes.
	maxWord   = 64
	maxDetail = 256
	maxStatus = 128
)

// detail adds a word to the detail of a request.
func (c *call) detail(shown []byte) {
	d := &c.ev.Detail
	w := inOneLine(shown, maxWord)
	switch {
	case w == "" || len(*d) > maxDetail:
		return
	case len(*d)+len(w) > maxDetail:
		w = "..."
	}
	if *d != "" {
		*d += " "
	}
	*d += w
}

// inOneLine returns a text in one line, truncated to limit bytes.
func inOneLine(text []byte, limit int) string {
	cut := len(text) > limit
	text = bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, text[:min(len(text), limit)])
	s := string(bytes.TrimSpace(text))
	if cut {
		s += "..."
	}
	return s
}

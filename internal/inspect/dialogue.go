package inspect

import (
	"bytes"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// dialogue is a connection that speaks a dialect: the requests that wait for their
// replies, and what its two directions have to know of each other.
type dialogue struct {
	of      *dialect
	client  event.Dir
	waiting []*call // the oldest first
	// uncertain: messages are missing, so that a reply may be that of another request, or the
	// rest of one. replied: one has come since of a request that was seen.
	uncertain, replied bool
	// shared is the dialect's own.
	shared any
}

// call is a request and its reply under way.
type call struct {
	ev       finding.Exchange
	begun    uint64 // when the request's first record came, 0 where it was not seen
	gap      bool   // some of it was not seen
	reported bool
	// whole: the request was seen to its end, or to where the server has to speak.
	whole bool
	// answering: its reply has begun.
	answering bool
	// secret: the reply tells secrets.
	secret bool
	// note is the dialect's own: what it has to know of the request at the reply.
	note any
}

// talk says that a connection speaks a dialect, of which s has one direction. joined
// says that something may have come before.
func (c *conn) talk(s *stream, d *dialect, v verdict, joined bool) *dialogue {
	if c.dialogue == nil {
		c.dialogue = &dialogue{of: d, client: s.dir, uncertain: joined}
		if v == ofServer {
			c.dialogue.client = s.dir ^ 1
		}
	}
	return c.dialogue
}

// newCall begins one with the byte of s at an offset.
func (d *dialogue) newCall(s *stream) *call {
	return &call{ev: finding.Exchange{
		Conn: s.now.Conn, TLS: s.now.TLS, Proc: s.now.Proc, Dir: d.client, Protocol: d.of.name,
	}}
}

// beginRequest begins a request with the byte at an offset. id may be empty. The caller fills
// in what is asked.
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

// resolveDoubt: a client that asks when it has got a reply waits for no other, unless
// it sends requests in advance.
func (d *dialogue) resolveDoubt() {
	if d.replied && len(d.waiting) == 0 {
		d.uncertain = false
	}
}

// endRequest tells that a request is whole. Where replies are not seen it is reported now.
func (d *dialogue) endRequest(s *stream, c *call) {
	if c.whole = true; s.conn.oneWay(s.dir) {
		d.report(s, c, finding.Complete)
	}
}

// find returns the request that a reply with this id answers, the oldest where it is
// empty, nil if none waits.
func (d *dialogue) find(id string) *call {
	for _, c := range d.waiting {
		if c.ev.ID == id {
			return c
		}
	}
	return nil
}

// answered returns what a reply belongs to. Where the request was not seen that is a
// call without, of which nobody knows that it tells no secrets.
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

// report reports a call, and forgets it.
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

// cut ends a call of which a message was not seen whole.
func (d *dialogue) cut(s *stream, c *call) {
	if c != nil && (c.answering || s.dir == d.client) {
		d.report(s, c, finding.Gap)
	}
}

// interrupt tells that bytes of s are missing: replies may be among them.
func (d *dialogue) interrupt(s *stream) {
	d.uncertain, d.replied = true, false
	if s.dir != d.client && !d.of.numbered {
		d.giveUp(s, finding.Gap)
	}
}

// evict reports what waits.
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
	// maxWord is how much of an argument is in the detail of a request, maxDetail how
	// much there is of all of them, maxStatus how much there is of a status.
	maxWord   = 64
	maxDetail = 256
	maxStatus = 128
)

// detail adds a word of what is asked for.
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

// inOneLine is a text in one line, cut behind limit bytes.
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

package inspect

import (
	"bytes"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// pop3 is POP3, RFC 1939, RFC 2449, RFC 5034.
var pop3 = &dialect{name: "pop3", ports: []uint16{110, 995}, recognise: isPOP3,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &pop3State{}
		}
		if client {
			return &pop3Client{state: d.shared.(*pop3State)}
		}
		return &pop3Server{state: d.shared.(*pop3State)}
	}}

// pop3State is the state that both directions share.
type pop3State struct {
	auth           bool // lines of the client answer challenges
	repliesMissing bool // replies are missing: it is not known which one ended the exchange
}

var (
	pop3Commands = wordSet("APOP", "AUTH", "CAPA", "DELE", "LIST", "NOOP", "PASS", "QUIT", "RETR", "RSET", "STAT", "TOP", "UIDL", "USER", "UTF8")
	// pop3Lists are commands with a reply of many lines; those of the second kind only
	// have one without an argument.
	pop3Texts = wordSet("CAPA", "RETR", "TOP")
	pop3Lists = wordSet("LIST", "UIDL", "AUTH")
)

// isPOP3: the protocol has hardly any word of its own, so another hint is needed.
func isPOP3(b []byte, o opening) verdict {
	switch {
	case !o.likely():
		return no
	case o.role == client:
		return beginsCommand(b, pop3Commands)
	case !begins(b, "+OK") && !begins(b, "-ERR"):
		return no
	}
	line, n := cutLine(b)
	switch {
	case n == 0 && len(b) < maxRedisLine:
		return perhaps
	case n > 0 && isText(line):
		return ofServer
	}
	return no
}

// pop3Client reads commands.
type pop3Client struct{ state *pop3State }

func (c *pop3Client) message(m *messages, b []byte) progress {
	line, n := cutLine(b)
	switch {
	case n == 0:
		return waits
	case c.state.auth && !(c.mayEnd(m) && isPOP3Command(line)):
		if at := m.with.find(""); at != nil {
			at.ev.RequestLen += uint64(n)
		}
		m.consume(n, asSecret)
		return took
	}
	return c.command(m, line, n)
}

// mayEnd reports whether an exchange of challenges may have ended unseen.
func (c *pop3Client) mayEnd(m *messages) bool {
	return c.state.repliesMissing || m.s.conn.oneWay(m.s.dir)
}

// isPOP3Command reports whether a line is a command that cannot be an answer to a
// challenge.
func isPOP3Command(line []byte) bool {
	word, _ := firstWord(line)
	return pop3Commands[upper(word)]
}

func (c *pop3Client) command(m *messages, line []byte, n int) progress {
	word, rest := firstWord(line)
	if !isWord(word) || !isText(line) {
		return fails
	}
	m.beginRequest("")
	op, words, how := upper(word), len(word)+1, asText
	c.state.auth, c.state.repliesMissing = false, false
	if _, secret := secretCommands[string(bytes.ToLower(word))]; secret {
		how = asSecret
	}
	if !pop3Commands[op] {
		op, words, how = unknownOp, 0, asSecret
	}
	if op == "AUTH" && len(rest) > 0 {
		c.state.auth = sasl(rest)
		words += mechanism(rest)
	}
	m.command(n, words, how)
	m.at.ev.Op, m.at.secret = op, m.at.secret || how == asSecret
	m.at.detail(m.shown(n)[min(len(word)+1, n):])
	m.at.note = pop3Texts[op] || pop3Lists[op] && len(rest) == 0
	if c.state.auth {
		m.at, m.count = nil, nil // its answers are part of it; the reply ends it
	} else {
		m.endRequest()
	}
	return took
}

func (c *pop3Client) expected(*messages) {}
func (c *pop3Client) lost(*messages)     { c.state.auth = false }

// pop3Server reads replies.
type pop3Server struct {
	state   *pop3State
	text    dotted
	inText  bool
	greeted bool
}

func (r *pop3Server) message(m *messages, b []byte) progress {
	if r.inText {
		how, done := r.text.consume(m, b)
		if done {
			r.inText = false
			m.answers(finding.Complete)
		}
		return how
	}
	line, n := cutLine(b)
	switch word, _ := firstWord(line); {
	case n == 0:
		return waits
	case string(word) == "+":
		r.challenge(m, n)
	case string(word) == "+OK" || string(word) == "-ERR":
		r.reply(m, n, string(word))
	default:
		return fails
	}
	return took
}

// challenge handles a challenge; the client's answer follows.
func (r *pop3Server) challenge(m *messages, n int) {
	m.answer("")
	m.command(n, 2, asSecret)
	m.at, m.count = nil, nil
}

// reply handles the first line of a reply, which is the whole reply except for lists
// and mails.
func (r *pop3Server) reply(m *messages, n int, status string) {
	if m.with.find("") == nil && !r.greeted && status == "+OK" {
		m.unasked("greeting")
	} else {
		m.answer("")
	}
	r.greeted, r.state.auth = true, false
	how := asText
	if m.at.secret {
		how = asSecret
	}
	m.command(n, len(status)+1, how)
	if m.at.ev.Status = status; how == asText {
		m.at.ev.Status = inOneLine(m.shown(n), maxStatus)
	}
	if long, _ := m.at.note.(bool); long && status == "+OK" {
		r.inText, r.text = true, dotted{}
		return
	}
	m.answers(finding.Complete)
}

func (r *pop3Server) expected(*messages) {}
func (r *pop3Server) lost(*messages)     { r.inText, r.state.repliesMissing = false, true }

package inspect

import (
	"bytes"
	"slices"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// imap is IMAP, RFC 9051 and RFC 3501.
var imap = &dialect{name: "imap", ports: []uint16{143, 993}, recognise: isIMAP, numbered: true,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &imapState{}
		}
		if client {
			return &imapClient{state: d.shared.(*imapState)}
		}
		return &imapServer{state: d.shared.(*imapState)}
	}}

// imapState is the state that both directions share.
type imapState struct {
	// untagged is the command that continues in lines without a tag, such as the
	// answers to challenges of AUTHENTICATE and the end of IDLE.
	untagged *call
	// goAhead: the server has asked for the latest literal.
	goAhead bool
}

var imapCommands = wordSet("APPEND", "AUTHENTICATE", "CAPABILITY", "CHECK", "CLOSE", "COMPRESS", "COPY", "CREATE", "DELETE", "ENABLE",
	"EXAMINE", "EXPUNGE", "FETCH", "GETQUOTA", "GETQUOTAROOT", "ID", "IDLE", "LIST", "LOGIN", "LOGOUT", "LSUB", "MOVE", "NAMESPACE",
	"NOOP", "RENAME", "SEARCH", "SELECT", "SORT", "STATUS", "STORE", "SUBSCRIBE", "THREAD", "UID", "UNSELECT", "UNSUBSCRIBE")

func isIMAP(b []byte, o opening) verdict {
	line, n := cutLine(b)
	if n == 0 && len(b) < maxWord {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if begins(b, "* ") || begins(b, "+ ") && o.spoken || isTag(firstOf(line)) {
			return perhaps
		}
		return no
	}
	tag, rest := firstWord(line)
	word, _ := firstWord(rest)
	switch {
	case !isText(line):
		return no
	case string(tag) == "*" || string(tag) == "+":
		if o.mayBe(server) && (o.spoken || (o.port || o.first) && isGreeting(rest)) {
			return ofServer
		}
	case !isTag(tag):
	case o.mayBe(client) && imapCommands[upper(word)] && (o.likely() || o.first && bytes.ContainsAny(tag, "0123456789")):
		return ofClient
	case o.spoken && o.role == server && isIMAPStatus(word):
		return ofServer
	}
	return no
}

func firstOf(line []byte) []byte { word, _ := firstWord(line); return word }

// isGreeting reports whether a server's greeting can have this word after its asterisk,
// RFC 9051 §7.1.
func isGreeting(rest []byte) bool {
	word := firstOf(rest)
	return string(word) == "OK" || string(word) == "PREAUTH" || string(word) == "BYE"
}

func isIMAPStatus(word []byte) bool {
	return slices.Contains([]string{"OK", "NO", "BAD"}, upper(word))
}

// isTag reports whether a command can have this tag, RFC 9051 §9.
func isTag(tag []byte) bool {
	for _, c := range tag {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`(){%*"\+`), c) >= 0 {
			return false
		}
	}
	return len(tag) > 0 && len(tag) <= 32
}

// literalLen is the length of the literal after a line, RFC 9051 §4.3: the line ends
// with {n}, {n+} or ~{n}.
func literalLen(line []byte) (n uint64, ok bool) {
	open := bytes.LastIndexByte(line, '{')
	if open < 0 || line[len(line)-1] != '}' {
		return 0, false
	}
	return number(bytes.TrimSuffix(line[open+1:len(line)-1], []byte("+")))
}

// imapClient reads commands.
type imapClient struct {
	state *imapState
	// inCommand: a literal has ended, but the command's line has not.
	inCommand bool
	// secret: the command's arguments are secret.
	secret bool
	// literal is the length of the announced literal that waits for the server's
	// answer.
	literal uint64
}

func (c *imapClient) message(m *messages, b []byte) progress {
	if c.literal > 0 && c.begins(m) {
		return took
	}
	line, n := cutLine(b)
	switch {
	case n == 0:
		return waits
	case c.inCommand:
		c.line(m, line, n, 0)
		return took
	case c.continues(line):
		c.state.untagged.ev.RequestLen += uint64(n)
		how := asSecret
		if c.state.untagged.ev.Op == "IDLE" {
			how = asText
		}
		m.command(n, 0, how)
		return took
	}
	return c.command(m, line, n)
}

// begins announces the command's next literal, unless the server refused the command,
// RFC 9051 §4.3: then the client sends none.
func (c *imapClient) begins(m *messages) bool {
	n := c.literal
	c.literal = 0
	if at := m.at; at.reported && at.ev.End == finding.Complete && at.ev.Status != "OK" && !c.state.goAhead {
		c.inCommand = false
		m.at, m.count = nil, nil
		return false
	}
	how := c.how()
	if !c.state.goAhead { // the server's answer was not seen: it may have been NO
		how = asSecret
	}
	m.expect(n, how)
	return true
}

// continues reports whether a line belongs to a command that continues without a tag.
// The server's answer ends such a command; if that is not seen, the next command does.
func (c *imapClient) continues(line []byte) bool {
	at := c.state.untagged
	if at == nil || at.reported && at.ev.End != finding.Gap {
		return false
	}
	tag, rest := firstWord(line)
	return !isTag(tag) || !imapCommands[upper(firstOf(rest))]
}

func (c *imapClient) command(m *messages, line []byte, n int) progress {
	tag, rest := firstWord(line)
	word, args := firstWord(rest)
	if !isTag(tag) || !isWord(word) || !isText(line) {
		return fails
	}
	m.beginRequest(string(tag))
	m.at.ev.Op = upper(word)
	head := len(tag) + 1 + len(word) + 1
	c.state.untagged, c.secret = nil, false
	switch m.at.ev.Op {
	default:
		if c.secret = !imapCommands[m.at.ev.Op]; c.secret {
			m.at.ev.Op, head = unknownOp, len(tag)+1
		}
	case "LOGIN":
		c.secret = true
	case "AUTHENTICATE":
		c.secret = true
		head += mechanism(args)
		if sasl(args) {
			c.state.untagged = m.at
		}
	case "IDLE":
		c.state.untagged = m.at
	}
	m.at.secret = m.at.secret || c.secret
	c.line(m, line, n, min(head, n))
	return took
}

// line consumes a line of a command, whose first head bytes are not secret, and the
// literal after it, if there is one.
func (c *imapClient) line(m *messages, line []byte, n, head int) {
	how, from := c.how(), 0
	size, more := literalLen(line)
	if head > 0 {
		if from = len(m.at.ev.ID) + 1; m.at.ev.Op != unknownOp {
			from += len(m.at.ev.Op) + 1
		}
		from = min(from, n)
	}
	m.command(n, head, how)
	m.at.detail(m.shown(n)[from:])
	switch c.inCommand = more; {
	case !more:
		c.ends(m)
	case size > 0 && line[len(line)-2] != '+':
		c.literal, c.state.goAhead = size, false
	default:
		m.expect(size, how)
	}
}

// how returns how a command's arguments are shown.
func (c *imapClient) how() treatment {
	if c.secret {
		return asSecret
	}
	return asText
}

// ends ends a command, unless it continues after an answer.
func (c *imapClient) ends(m *messages) {
	if c.state.untagged == m.at {
		m.at.whole = true
		m.at, m.count = nil, nil
		return
	}
	m.endRequest()
}

func (c *imapClient) expected(m *messages) { m.fresh() }
func (c *imapClient) lost(*messages) {
	c.inCommand, c.literal, c.state.untagged = false, 0, nil
}

// imapServer reads answers.
type imapServer struct {
	state *imapState
	// tagged: the line is the last of an answer. inLine: a literal has ended, but its
	// line has not.
	tagged, inLine, greeted bool
}

func (r *imapServer) message(m *messages, b []byte) progress {
	line, n := cutLine(b)
	switch {
	case n == 0:
		return waits
	case r.inLine:
		r.line(m, line, n, 0)
		return took
	}
	tag, rest := firstWord(line)
	switch word := firstOf(rest); {
	case string(tag) == "*":
		r.untagged(m, rest)
	case string(tag) == "+":
		r.state.goAhead = true
		r.owner(m)
	case isTag(tag) && isIMAPStatus(word):
		r.tagged = true
		m.answer(string(tag))
		m.at.ev.Status = upper(word)
	default:
		return fails
	}
	r.greeted = true
	r.line(m, line, n, min(len(tag)+1+len(firstOf(rest))+1, n))
	return took
}

// untagged begins a line that belongs to the oldest command, or to none.
func (r *imapServer) untagged(m *messages, rest []byte) {
	switch {
	case !r.greeted && len(m.with.waiting) == 0 && isGreeting(rest):
		m.unasked("greeting")
	case len(m.with.waiting) == 0:
		m.unasked("untagged")
	default:
		r.owner(m)
		return
	}
	m.at.ev.Status = inOneLine(rest, 0)
}

// owner makes the oldest waiting command the owner of the next bytes.
func (r *imapServer) owner(m *messages) {
	if len(m.with.waiting) == 0 {
		m.unasked("continuation")
		m.at.secret, m.at.ev.Status = true, "+"
		return
	}
	m.at = m.with.waiting[0]
	m.at.answering, m.count = true, &m.at.ev.ReplyLen
}

// line consumes a line of an answer, and the literal after it, if there is one.
func (r *imapServer) line(m *messages, line []byte, n, head int) {
	how := asText
	if m.at.secret {
		how = asSecret
	}
	size, more := literalLen(line)
	m.command(n, head, how)
	if at := &m.at.ev; (at.Op == "greeting" || at.Op == "untagged") && !r.inLine && head > 0 {
		at.Status = inOneLine(m.shown(n)[len("* "):], maxWord)
	}
	if r.inLine = more; more {
		m.expect(size, how)
		return
	}
	r.ends(m)
}

// ends ends a line; the line with the tag ends the answer.
func (r *imapServer) ends(m *messages) {
	switch {
	case r.tagged, m.at.begun == 0:
		m.answers(finding.Complete)
	default:
		m.at, m.count = nil, nil
	}
	r.tagged = false
}

func (r *imapServer) expected(m *messages) { m.fresh() }
func (r *imapServer) lost(*messages)       { r.tagged, r.inLine = false, false }

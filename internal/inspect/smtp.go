package inspect

import (
	"bytes"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// smtp is SMTP and its use for submission, RFC 5321, RFC 3030, RFC 4954. Within TLS the
// client begins after STARTTLS, otherwise the server.
var smtp = &dialect{name: "smtp", ports: []uint16{25, 465, 587, 2525}, recognise: isSMTP,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &smtpState{}
		}
		if client {
			return &smtpClient{state: d.shared.(*smtpState)}
		}
		return &smtpServer{state: d.shared.(*smtpState)}
	}}

// smtpState is the state that both directions share.
type smtpState struct {
	auth           bool // lines of the client answer challenges
	refused        bool // no message follows DATA
	repliesMissing bool // replies are missing: it is not known which one ended the exchange
}

var (
	smtpHello    = wordSet("EHLO", "HELO", "LHLO")
	smtpOthers   = wordSet("STARTTLS", "HELP", "EXPN", "ETRN")
	smtpCommands = wordSet("EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "AUTH", "XCLIENT", "XFORWARD")
)

func isSMTP(b []byte, o opening) verdict {
	if o.mayBe(server) {
		if v := isSMTPReply(b, o); v != no {
			return v
		}
	}
	if !o.mayBe(client) {
		return no
	}
	switch line, n := cutLine(b); {
	case !o.likely() || o.port && o.first:
		if !o.port {
			return beginsCommand(b, smtpHello)
		}
		return beginsCommand(b, smtpCommands)
	case n == 0 && len(b) < maxWord:
		return perhaps
	case isSMTPMiddle(line):
		return ofClient
	}
	return no
}

// isSMTPMiddle reports whether a line is certainly a command, and not part of a mail.
func isSMTPMiddle(line []byte) bool {
	word, rest := firstWord(line)
	switch upper(word) {
	case "MAIL":
		return bytes.HasPrefix(bytes.ToUpper(rest), []byte("FROM:"))
	case "RCPT":
		return bytes.HasPrefix(bytes.ToUpper(rest), []byte("TO:"))
	case "EHLO", "HELO":
		return len(rest) > 0 && !bytes.Contains(rest, []byte(" "))
	case "DATA", "RSET", "QUIT":
		return len(rest) == 0
	case "NOOP":
		return true
	}
	return false
}

// isSMTPReply reports whether a line is a greeting, or any reply if SMTP is known.
func isSMTPReply(b []byte, o opening) verdict {
	line, n := cutLine(b)
	switch {
	case o.spoken && o.role == server:
		if len(b) < 4 && n == 0 {
			return perhaps
		}
		if isReply(line) {
			return ofServer
		}
		return no
	case !begins(b, "220 ") && !begins(b, "220-"):
		return no
	case n == 0:
		return perhaps
	case o.port || o.first && bytes.Contains(bytes.ToUpper(line), []byte("SMTP")):
		return ofServer
	}
	return no
}

// isReply reports whether a line is part of a reply, RFC 5321 §4.2.
func isReply(line []byte) bool {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return false
	}
	_, ok := number(line[:3])
	return ok
}

// smtpClient reads commands and mails.
type smtpClient struct {
	state *smtpState
	mail  dotted
	// offered: DATA was sent, and a mail follows unless it is refused. inMail: the mail
	// has begun.
	offered, inMail bool
}

func (c *smtpClient) message(m *messages, b []byte) progress {
	if c.offered {
		c.offered = false
		if c.inMail = !c.state.refused; !c.inMail {
			m.at, m.count = nil, nil
		}
	}
	if c.inMail {
		how, done := c.mail.consume(m, b)
		if done {
			c.inMail = false
			m.endRequest()
		}
		return how
	}
	line, n := cutLine(b)
	switch {
	case n == 0:
		return waits
	case c.state.auth:
		return c.answer(m, line, n)
	}
	return c.command(m, line, n)
}

// command handles a line that begins with a command.
func (c *smtpClient) command(m *messages, line []byte, n int) progress {
	word, rest := firstWord(line)
	if !isWord(word) || !isText(line) {
		return fails
	}
	m.beginRequest("")
	op, words, how := upper(word), len(word)+1, asText
	if op == "AUTH" {
		c.state.auth, how = sasl(rest), asSecret
		words += mechanism(rest)
	} else if !smtpCommands[op] && !smtpOthers[op] { // the argument of an unknown command can be a secret
		op, words, how = unknownOp, 0, asSecret
	}
	m.command(n, words, how)
	m.at.ev.Op, m.at.secret = op, m.at.secret || how == asSecret
	m.at.detail(m.shown(n)[min(len(word)+1, n):])
	switch op {
	case "AUTH":
		m.at, m.count = nil, nil // its answers are part of it; the reply ends it
	case "DATA":
		c.offered, c.state.refused, c.mail = true, false, dotted{}
		m.at.whole = true
	case "BDAT":
		size, _ := firstWord(rest)
		if n, ok := number(size); ok {
			m.expect(n, asText)
			return took
		}
		m.endRequest()
	default:
		m.endRequest()
	}
	return took
}

// answer handles a line that answers a challenge. If the server's replies are not seen,
// the next command ends the exchange.
func (c *smtpClient) answer(m *messages, line []byte, n int) progress {
	if (c.state.repliesMissing || m.s.conn.oneWay(m.s.dir)) && beginsCommand(append(line[:len(line):len(line)], '\n'), smtpCommands) == ofClient {
		c.state.auth, c.state.repliesMissing = false, false
		return c.command(m, line, n)
	}
	if at := m.with.find(""); at != nil {
		at.ev.RequestLen += uint64(n)
	}
	m.consume(n, asSecret)
	return took
}

func (c *smtpClient) expected(m *messages) { m.endRequest() } // a chunk

func (c *smtpClient) lost(*messages) {
	c.offered, c.inMail, c.state.auth = false, false, false
}

// smtpServer reads replies.
type smtpServer struct {
	state   *smtpState
	greeted bool
}

func (r *smtpServer) message(m *messages, b []byte) progress {
	line, n := cutLine(b)
	switch {
	case n == 0:
		return waits
	case !isReply(line):
		return fails
	}
	code := string(line[:3])
	if m.at == nil {
		r.begin(m, code)
	}
	r.greeted, r.state.repliesMissing = true, false
	how := asText
	if m.at.secret && code[0] != '2' {
		how = asSecret
	}
	m.command(n, 4, how)
	if len(line) > 3 && line[3] == '-' {
		return took
	}
	m.at.ev.Status = code
	if how == asText {
		m.at.ev.Status = inOneLine(m.shown(n), maxStatus)
	}
	r.ends(m, code)
	return took
}

// begin finds the request that a reply answers. The greeting, and a server that closes,
// answer none.
func (r *smtpServer) begin(m *messages, code string) {
	waiting := m.with.find("") != nil
	switch {
	case !waiting && code == "220" && !r.greeted:
		m.unasked("greeting")
	case !waiting && code == "421":
		m.unasked("closing")
	default:
		m.answer("")
	}
}

// ends ends a reply; after one that begins with 3 another follows.
func (r *smtpServer) ends(m *messages, code string) {
	switch {
	case code[0] == '3':
		m.at, m.count = nil, nil
		return
	case m.at.ev.Op == "DATA" && code[0] != '2':
		r.state.refused = true
	case m.at.ev.Op == "AUTH":
		r.state.auth = false
	}
	m.answers(finding.Complete)
}

func (r *smtpServer) expected(*messages) {}
func (r *smtpServer) lost(*messages)     { r.state.repliesMissing = true }

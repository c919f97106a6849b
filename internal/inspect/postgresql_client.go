package inspect

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// pgClient reads the client's messages. All messages up to a Sync or a Query are one
// request: the server answers them with one ReadyForQuery.
type pgClient struct {
	state *pgState
	frame pgFrame
	more  int // statements of the request besides the first
	// standalone: the current message is not part of a request.
	standalone bool
}

func (c *pgClient) message(m *messages, b []byte) progress {
	if b[0] == 0 && m.at == nil {
		return c.start(m, b)
	}
	if len(b) < pgHead {
		return waits
	}
	if !c.frame.read(b, client) {
		return fails
	}
	if c.long() {
		return c.body(m, b)
	}
	if len(b) < pgHead+c.frame.size {
		return waits
	}
	return c.body(m, b)
}

// long reports whether a message is processed before it is complete.
func (c *pgClient) long() bool {
	switch c.frame.kind {
	case 'Q', 'P', 'B', 'E':
		return c.frame.size > maxSQL
	}
	return true
}

// body handles a message, or announces the rest of it.
func (c *pgClient) body(m *messages, b []byte) progress {
	c.begin(m)
	c.frame.consume(m, client)
	how := asBytes
	switch c.frame.kind {
	case 'Q', 'P':
		if c.long() {
			c.says(m, statement{op: "SQL", detail: "...", secret: true})
			how = asHidden
			break
		}
		c.sql(m, b[pgHead:pgHead+c.frame.size])
		c.ends(m)
		return took
	case 'B':
		if !c.long() {
			c.bind(m, b[pgHead:pgHead+c.frame.size])
		}
		how = asHidden // values can contain anything
	case 'p', 'F':
		how = asHidden
	case 'd', 'f':
		if m.at.secret {
			how = asHidden
		}
	}
	m.expect(uint64(c.frame.size), how)
	return took
}

// begin finds the request that a message is part of.
func (c *pgClient) begin(m *messages) {
	c.standalone = false
	switch c.frame.kind {
	case 'd', 'c', 'f', 'p': // of the last request
		if n := len(m.with.waiting); m.at == nil && n > 0 {
			c.standalone = true
			m.at = m.with.waiting[n-1]
			m.count = &m.at.ev.RequestLen
			return
		}
	}
	if m.at != nil {
		return
	}
	c.more = 0
	m.beginRequest("")
	switch c.frame.kind {
	case 'd', 'c', 'f':
		m.at.ev.Op, m.at.secret = "COPY", true
	case 'p':
		m.at.ev.Op = "PASSWORD"
	}
}

// sql handles the body of a Query or a Parse.
func (c *pgClient) sql(m *messages, body []byte) {
	name, rest := "", len(body)
	if c.frame.kind == 'P' {
		s, _, ok := cutString(body)
		if !ok {
			m.consume(len(body), asHidden)
			return
		}
		name = string(s)
		m.consume(len(s)+1, asBytes)
		rest = len(body) - len(s) - 1
	}
	text, _, ok := cutString(body[len(body)-rest:])
	if !ok {
		m.consume(rest, asHidden)
		return
	}
	st := m.statement(len(text))
	m.consume(rest-len(text), asBytes)
	m.fresh()
	if c.frame.kind == 'P' {
		c.state.remember(name, st)
	}
	c.says(m, st)
}

// bind finds the statement that gets values.
func (c *pgClient) bind(m *messages, body []byte) {
	_, rest, _ := cutString(body)
	name, _, _ := cutString(rest)
	st, known := c.state.prepared[string(name)]
	if !known {
		st = statement{op: "EXECUTE", detail: inOneLine(name, maxWord), secret: true}
	}
	if m.at.ev.Op == "" {
		c.says(m, st)
	} else if st.secret {
		m.at.secret = true
	}
}

// says adds a statement to the request.
func (c *pgClient) says(m *messages, st statement) {
	m.at.secret = m.at.secret || st.secret
	if m.at.ev.Op == "" {
		m.at.ev.Op, m.at.ev.Detail = st.op, st.detail
	} else if c.more++; c.more == 1 {
		m.at.ev.Detail += "; ..."
	}
}

func (c *pgClient) expected(m *messages) {
	m.fresh()
	c.ends(m)
}

// ends ends a message, and with some messages a request.
func (c *pgClient) ends(m *messages) {
	switch {
	case c.standalone:
		m.at, m.count = nil, nil
	case c.frame.kind == 'X' || c.frame.kind == 0 && m.at.ev.Op == "CANCEL": // it has no reply
		c.name(m)
		m.with.report(m.s, m.at, finding.Complete)
		m.at, m.count = nil, nil
	case c.frame.kind == 'Q', c.frame.kind == 'S', c.frame.kind == 'F', c.frame.kind == 'p', c.frame.kind == 0:
		c.name(m)
		m.endRequest()
	case c.frame.kind == 'd', c.frame.kind == 'c', c.frame.kind == 'f':
		m.endRequest()
	}
}

// name names a request without a statement by its last message.
func (c *pgClient) name(m *messages) {
	if m.at.ev.Op == "" {
		m.at.ev.Op, m.at.secret = pgNames[client][c.frame.kind], true
	}
}

// start handles a message that begins a connection.
func (c *pgClient) start(m *messages, b []byte) progress {
	if len(b) < 8 {
		return waits
	}
	n := int(binary.BigEndian.Uint32(b))
	switch {
	case isPgStart(b) != ofClient:
		return fails
	case len(b) < n:
		return waits
	}
	c.frame.kind = 0
	m.beginRequest("")
	if binary.BigEndian.Uint32(b[4:]) == pgCancel {
		m.at.ev.Op = "CANCEL"
		m.consumeNoted(n, asHidden, "PostgreSQL CancelRequest")
	} else {
		m.at.ev.Op = "STARTUP"
		m.consumeNoted(n, asBytes, "PostgreSQL StartupMessage")
		m.fresh()
		c.parameters(m, n)
	}
	c.ends(m)
	return took
}

// parameters reports the user that a connection begins for.
func (c *pgClient) parameters(m *messages, n int) {
	rest := m.shown(n)[8:]
	for len(rest) > 1 {
		name, more, _ := cutString(rest)
		value, more, ok := cutString(more)
		if !ok {
			return
		}
		switch string(name) {
		case "user", "database", "application_name":
			m.at.detail(append(append(append([]byte{}, name...), '='), value...))
		}
		rest = more
	}
}

func (c *pgClient) lost(*messages) { c.frame, c.more, c.standalone = pgFrame{}, 0, false }

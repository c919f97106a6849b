package inspect

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// mysqlClient reads the client's packets.
type mysqlClient struct {
	state *mysqlState
	// continues: the packet had the maximum length, and the next one continues it.
	continues bool
	how       treatment
	// silent: the command has no reply. part: the packet belongs to the request before.
	silent, part bool
}

func (c *mysqlClient) message(m *messages, b []byte) progress {
	if len(b) < mysqlHead {
		return waits
	}
	p := readMySQL(b)
	if c.continues {
		return c.rest(m, p, "")
	}
	payload := b[mysqlHead:]
	switch {
	case c.state.login != nil && p.seq > 0 && isMySQLLogin(b, opening{}) != ofClient:
		c.join(m, c.state.login)
		return c.rest(m, p, "MySQL authentication")
	case c.state.file != nil && p.seq > 0:
		c.join(m, c.state.file)
		return c.rest(m, p, "MySQL file")
	case p.seq == 2:
		return c.second(m, p, b)
	case p.seq != 0 || p.size == 0:
		return fails
	case len(payload) == 0, len(payload) < min(p.size, c.needs(payload[0], p.size)):
		return waits
	case mysqlCommands[payload[0]] == "":
		return fails
	}
	return c.command(m, p, payload)
}

// needs is how much of a command's payload must be there.
func (c *mysqlClient) needs(command byte, size int) int {
	switch command {
	case 0x03, 0x16: // statements
		if size <= maxSQL {
			return size
		}
	case 0x02, 0x05, 0x06:
		return min(size, maxDetail)
	}
	return 5
}

// join continues with the call of an earlier request.
func (c *mysqlClient) join(m *messages, at *call) {
	m.at, m.count, c.part, c.how = at, &at.ev.RequestLen, true, asHidden
}

// rest consumes the head of a packet and announces its payload.
func (c *mysqlClient) rest(m *messages, p mysqlPacket, note string) progress {
	c.continues = p.size == mysqlMost
	m.consumeNoted(mysqlHead, asBytes, note)
	m.fresh()
	m.expect(uint64(p.size), c.how)
	return took
}

// second handles the packet that follows the server's greeting. If it is not a login, it may be
// data of a file whose request was not seen, and nothing of it may be reported.
func (c *mysqlClient) second(m *messages, p mysqlPacket, b []byte) progress {
	switch isMySQLLogin(b, opening{port: true}) {
	case ofClient:
		return c.login(m, p, b[mysqlHead:])
	case perhaps:
		return waits
	}
	return fails
}

// login handles a handshake response, which isMySQLLogin has checked; it reports a user and perhaps
// a database.
func (c *mysqlClient) login(m *messages, p mysqlPacket, payload []byte) progress {
	if len(payload) < p.size {
		return waits
	}
	payload = payload[:p.size]
	m.beginRequest("")
	c.state.login, c.part, c.how = m.at, true, asHidden
	m.at.ev.Op, m.at.secret = "LOGIN", true
	c.state.eof = binary.LittleEndian.Uint32(payload)&mysqlNoEOF == 0
	if user, rest, ok := cutString(payload[min(mysqlFixed, len(payload)):]); ok {
		m.at.detail(append([]byte("user="), user...))
		if db, ok := mysqlDatabase(payload, rest); ok {
			m.at.detail(append([]byte("database="), db...))
		}
	}
	return c.rest(m, p, "MySQL HandshakeResponse")
}

// mysqlDatabase is the database that a client wants to use. It follows the password.
func mysqlDatabase(payload, rest []byte) (db []byte, ok bool) {
	capabilities := binary.LittleEndian.Uint32(payload)
	switch {
	case capabilities&mysqlWithDB == 0 || len(rest) == 0:
		return nil, false
	case capabilities&mysqlLenAuth != 0:
		if _, rest, ok = lenencString(rest); !ok {
			return nil, false
		}
	case len(rest) > int(rest[0]):
		rest = rest[1+int(rest[0]):]
	default:
		return nil, false
	}
	db, _, ok = cutString(rest)
	return db, ok && len(db) > 0
}

// command handles a command, whose needed part is there.
func (c *mysqlClient) command(m *messages, p mysqlPacket, payload []byte) progress {
	m.beginRequest("")
	name := mysqlCommands[payload[0]]
	c.silent, c.part, c.how = false, false, asBytes
	c.state.login, c.state.file = nil, nil
	m.at.ev.Op = name
	note := "MySQL COM_" + name
	switch payload[0] {
	case 0x03, 0x16:
		return c.statement(m, p, payload, note)
	case 0x17, 0xfa:
		c.execute(m, payload[:min(p.size, len(payload))])
		c.how = asHidden
	case 0x11:
		m.at.secret, c.how = true, asHidden
		c.state.login, c.part = m.at, true
	case 0x02, 0x05, 0x06:
		m.at.detail(payload[1:min(p.size, len(payload))])
	case 0x01, 0x18, 0x19:
		c.silent = true
		c.how = asHidden
	case 0x1c:
		m.at.secret = true
	}
	return c.rest(m, p, note)
}

// statement handles a command with SQL.
func (c *mysqlClient) statement(m *messages, p mysqlPacket, payload []byte, note string) progress {
	skip := 1
	if p.size > 3 && payload[0] == 0x03 && len(payload) > 2 && payload[1] == 0 && payload[2] == 1 {
		skip = 3 // CLIENT_QUERY_ATTRIBUTES: none, once
	}
	if p.size > maxSQL || p.size > skip && payload[skip] < ' ' && payload[skip] != '\t' && payload[skip] != '\n' && payload[skip] != '\r' {
		m.at.ev.Detail, m.at.secret, c.how = "...", true, asHidden
		return c.rest(m, p, note)
	}
	m.consumeNoted(mysqlHead+skip, asBytes, note)
	st := m.statement(p.size - skip)
	m.at.secret = st.secret
	if payload[0] == 0x16 {
		m.at.note, m.at.ev.Detail = st, st.detail
	} else if m.at.ev.Detail = st.detail; st.op != "" {
		m.at.ev.Op = st.op
	}
	c.ends(m)
	return took
}

// execute finds the statement to execute.
func (c *mysqlClient) execute(m *messages, payload []byte) {
	m.at.secret = true
	if len(payload) < 5 {
		return
	}
	if st, known := c.state.prepared[binary.LittleEndian.Uint32(payload[1:])]; known {
		m.at.ev.Op, m.at.ev.Detail, m.at.secret = st.op, st.detail, st.secret
	}
}

func (c *mysqlClient) expected(m *messages) {
	m.fresh()
	if !c.continues {
		c.ends(m)
	}
}

func (c *mysqlClient) ends(m *messages) {
	switch {
	case c.silent:
		m.with.report(m.s, m.at, finding.Complete)
		m.at, m.count = nil, nil
	case c.part:
		m.at, m.count = nil, nil
	default:
		m.endRequest()
	}
}

func (c *mysqlClient) lost(*messages) {
	c.continues, c.part, c.silent = false, false, false
}

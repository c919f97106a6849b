package inspect

import (
	"encoding/binary"
	"strconv"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// mysqlServer reads the server's packets.
type mysqlServer struct {
	state *mysqlState
	phase mysqlPhase
	// defs are the remaining definitions of columns, rows the rows so far.
	defs, rows uint64
	// hidden: a column is secret.
	hidden bool
	// prepare: the definitions are those of a statement, not of a result. Its columns
	// follow its parameters.
	prepare   bool
	columns   uint64
	continues bool
	// status ends the reply after the current packet; after turn the client continues.
	status string
	turn   bool
}

type mysqlPhase uint8

const (
	mysqlFirst mysqlPhase = iota
	mysqlDefs
	mysqlRows
)

// The first byte of packets that end a part, and SERVER_MORE_RESULTS_EXISTS.
const (
	mysqlOK      = 0x00
	mysqlMore    = 0x01
	mysqlFile    = 0xfb
	mysqlEOF     = 0xfe
	mysqlERR     = 0xff
	mysqlResults = 1 << 3
	eofSize      = 5
)

func (r *mysqlServer) message(m *messages, b []byte) progress {
	if len(b) < mysqlHead {
		return waits
	}
	p := readMySQL(b)
	if r.continues || p.size == 0 {
		r.consumePacket(m, p, "")
		return took
	}
	if len(b) == mysqlHead {
		return waits
	}
	payload := b[mysqlHead:]
	if short := p.size <= maxPgError; short && r.expects(payload[0]) && len(payload) < p.size {
		return waits
	}
	if !r.begin(m, p) {
		r.consumePacket(m, p, "")
		return took
	}
	return r.packet(m, p, payload[:min(p.size, len(payload))])
}

// expects reports whether a packet with this first byte must be complete.
func (r *mysqlServer) expects(first byte) bool {
	return r.phase != mysqlRows || first == mysqlERR || first == mysqlEOF
}

// begin finds the request that a packet answers; false says that the packet continues a
// reply that is over, or was not seen.
func (r *mysqlServer) begin(m *messages, p mysqlPacket) bool {
	if m.at != nil {
		return true
	}
	if p.seq != 1 && r.state.login == nil && r.state.file == nil {
		return false
	}
	r.phase, r.rows, r.hidden, r.prepare = mysqlFirst, 0, false, false
	m.answer("")
	return true
}

// consumePacket consumes a packet without information; its bytes are shown if none is a
// secret.
func (r *mysqlServer) consumePacket(m *messages, p mysqlPacket, note string) {
	how := asBytes
	if m.at == nil || m.at.secret || r.hidden {
		how = asHidden
	}
	r.continues = p.size == mysqlMost
	m.consumeNoted(mysqlHead, asBytes, note)
	m.fresh()
	m.expect(uint64(p.size), how)
}

// expected ends a packet, and the reply if it was the last one.
func (r *mysqlServer) expected(m *messages) {
	m.fresh()
	switch {
	case r.continues:
	case r.status != "":
		r.finish(m)
	case r.turn:
		r.turn = false
		m.at, m.count = nil, nil
	}
}

// packet handles a packet of a reply.
func (r *mysqlServer) packet(m *messages, p mysqlPacket, payload []byte) progress {
	whole := len(payload) == p.size
	switch first := payload[0]; {
	case first == mysqlERR && whole:
		r.error(m, p, payload)
	case first == mysqlEOF && p.size < mysqlMost && whole && r.phase != mysqlFirst:
		r.endOf(m, p, payload)
	case r.phase == mysqlFirst:
		return r.first(m, p, payload)
	case r.phase == mysqlDefs:
		r.definition(m, p, payload)
	default:
		if r.rows++; r.rows == 1 {
			r.consumePacket(m, p, "MySQL rows")
		} else {
			r.consumePacket(m, p, "")
		}
	}
	return took
}

// first handles the packet that determines the kind of reply.
func (r *mysqlServer) first(m *messages, p mysqlPacket, payload []byte) progress {
	login := m.at == r.state.login
	n, size := lenenc(payload)
	switch first := payload[0]; {
	case login && (first == mysqlMore || first == mysqlEOF):
		r.consumePacket(m, p, "MySQL authentication")
		r.turn = true
	case first == mysqlFile:
		r.state.file = m.at
		r.consumePacket(m, p, "MySQL file request")
		r.turn = true
	case first == mysqlOK && m.at.ev.Op == "STMT_PREPARE" && len(payload) >= 12:
		r.prepared(m, p, payload)
	case first == mysqlOK || first == mysqlEOF:
		r.ok(m, p, payload)
	case size > 0 && p.size == size+1 && payload[size] == 0: // MariaDB: the client knows the columns, this decoder does not
		r.consumePacket(m, p, "MySQL result")
		r.phase, r.defs, r.hidden = mysqlDefs, 0, true
	case size == 0 || size != p.size && p.size != size+1: // a text, as STATISTICS has, or a result that consists of rows only
		r.consumePacket(m, p, "")
		r.status = "OK"
	default:
		r.consumePacket(m, p, "MySQL result")
		r.phase, r.defs = mysqlDefs, n
	}
	return took
}

// prepared handles the reply to STMT_PREPARE: the statement's number, and how many
// definitions follow.
func (r *mysqlServer) prepared(m *messages, p mysqlPacket, payload []byte) {
	if st, ok := m.at.note.(statement); ok {
		r.state.remember(binary.LittleEndian.Uint32(payload[1:]), st)
	}
	r.columns = uint64(binary.LittleEndian.Uint16(payload[5:]))
	r.defs = uint64(binary.LittleEndian.Uint16(payload[7:]))
	r.prepare, r.phase = true, mysqlDefs
	if r.defs == 0 {
		r.defs, r.columns = r.columns, 0
	}
	r.consumePacket(m, p, "MySQL OK")
	if r.defs == 0 {
		r.status = "OK"
	}
}

// definition handles the definition of a column or a parameter.
func (r *mysqlServer) definition(m *messages, p mysqlPacket, payload []byte) {
	if r.defs == 0 { // no EOF came after the last one: a row, or the next column
		if r.prepare {
			r.defs, r.columns = r.columns, 0
		} else {
			r.phase = mysqlRows
			r.rows++
			r.consumePacket(m, p, "MySQL rows")
			return
		}
	}
	r.defs--
	r.hidden = r.hidden || mysqlSecretColumn(payload) || len(payload) < p.size
	r.consumePacket(m, p, "")
	if r.prepare && r.defs == 0 && r.columns == 0 && !r.state.eof {
		r.status = "OK"
	}
}

// mysqlSecretColumn checks the names in a definition: the fifth and the sixth text.
func mysqlSecretColumn(def []byte) bool {
	for i := range 6 {
		text, rest, ok := lenencString(def)
		if !ok {
			return false
		}
		if i >= 4 && isSecretName(text) {
			return true
		}
		def = rest
	}
	return false
}

// endOf handles the end of definitions or rows.
func (r *mysqlServer) endOf(m *messages, p mysqlPacket, payload []byte) {
	if r.phase == mysqlDefs && p.size == eofSize {
		r.consumePacket(m, p, "")
		switch {
		case !r.prepare:
			r.phase = mysqlRows
		case r.columns > 0:
			r.defs, r.columns = r.columns, 0
		default:
			r.status = "OK"
		}
		return
	}
	flags := uint16(0)
	if p.size == eofSize {
		flags = binary.LittleEndian.Uint16(payload[3:])
	} else {
		_, flags = mysqlSummary(payload)
	}
	r.consumePacket(m, p, "MySQL end of rows")
	r.over(strconv.FormatUint(r.rows, 10)+" rows", flags)
}

// mysqlSummary returns how many rows were affected, and the flags of the server.
func mysqlSummary(payload []byte) (affected uint64, flags uint16) {
	rest := payload[1:]
	affected, n := lenenc(rest)
	rest = rest[n:]
	_, n = lenenc(rest)
	if rest = rest[n:]; len(rest) >= 2 {
		flags = binary.LittleEndian.Uint16(rest)
	}
	return affected, flags
}

// ok handles an OK packet.
func (r *mysqlServer) ok(m *messages, p mysqlPacket, payload []byte) {
	affected, flags := mysqlSummary(payload)
	status := "OK"
	if affected > 0 {
		status += " " + strconv.FormatUint(affected, 10) + " affected"
	}
	r.consumePacket(m, p, "MySQL OK")
	r.over(status, flags)
}

// over ends a result; the reply continues if there are more.
func (r *mysqlServer) over(status string, flags uint16) {
	if flags&mysqlResults != 0 {
		r.phase, r.rows = mysqlFirst, 0
		return
	}
	r.status = status
}

// error handles an ERR packet: a number, an SQL state and a text.
func (r *mysqlServer) error(m *messages, p mysqlPacket, payload []byte) {
	how := asBytes
	if m.at.secret {
		how = asHidden
	}
	m.consumeNoted(mysqlHead, asBytes, "MySQL ERR")
	m.fresh()
	m.consume(len(payload), how)
	m.fresh()
	r.continues = false
	status := "ERROR"
	if len(payload) >= 3 {
		status += " " + strconv.Itoa(int(binary.LittleEndian.Uint16(payload[1:])))
	}
	if !m.at.secret && len(payload) > 3 {
		text := m.shown(len(payload))[3:]
		if len(text) > 6 && text[0] == '#' {
			text = text[6:]
		}
		status += " " + string(text[:min(len(text), maxStatus)])
	}
	r.status = inOneLine([]byte(status), maxStatus)
	r.finish(m)
}

// finish ends a reply.
func (r *mysqlServer) finish(m *messages) {
	if m.at == r.state.login {
		r.state.login = nil
	}
	if m.at == r.state.file {
		r.state.file = nil
	}
	m.at.ev.Status, r.status = r.status, ""
	r.phase = mysqlFirst
	m.answers(finding.Complete)
}

func (r *mysqlServer) lost(*messages) { *r = mysqlServer{state: r.state} }

package inspect

import (
	"encoding/binary"

	"github.com/ktlstop/ktlstop/internal/inspect/finding"
)

// pgServer reads the server's messages: all messages up to a ReadyForQuery are one
// reply.
type pgServer struct {
	state *pgState
	frame pgFrame
	// failed: the reply has an error, which is its status.
	failed bool
	// unsolicited: the message does not answer a request.
	unsolicited bool
	// rows: some columns of the reply are secret.
	rows bool
}

// Messages that must be complete, because they carry information, up to these lengths.
const (
	maxPgError   = 8 << 10
	maxPgTag     = 1 << 10
	maxPgColumns = 64 << 10
)

func (r *pgServer) message(m *messages, b []byte) progress {
	if len(b) < pgHead {
		return waits
	}
	if !r.frame.read(b, server) {
		return fails
	}
	whole := r.says()
	if whole && len(b) < pgHead+r.frame.size {
		return waits
	}
	r.begin(m)
	r.frame.consume(m, server)
	if !whole {
		m.expect(uint64(r.frame.size), r.how(m))
		return took
	}
	r.whole(m, b[pgHead:pgHead+r.frame.size])
	r.ends(m)
	return took
}

// says reports whether a message has information to report.
func (r *pgServer) says() bool {
	switch r.frame.kind {
	case 'E':
		return r.frame.size <= maxPgError
	case 'C':
		return r.frame.size <= maxPgTag
	case 'T':
		return r.frame.size <= maxPgColumns
	}
	return false
}

// begin finds the request that a message answers.
func (r *pgServer) begin(m *messages) {
	r.unsolicited = false
	if m.at != nil {
		return
	}
	r.failed, r.rows = false, false
	switch r.frame.kind {
	case 'N', 'A', 'S':
		if m.with.find("") == nil {
			r.unsolicited = true
			m.unasked(map[byte]string{'N': "NOTICE", 'A': "NOTIFY", 'S': "PARAMETER"}[r.frame.kind])
			m.at.ev.Status = "-"
			return
		}
	}
	m.answer("")
}

// how returns how a message is shown: possible secrets are hidden.
func (r *pgServer) how(m *messages) treatment {
	switch r.frame.kind {
	case 'R', 'K', 'A', 'N':
		return asHidden
	case 'D', 'd':
		if r.rows {
			return asHidden
		}
	case 'T': // too long to know its columns
		r.rows = true
	}
	if _, fixed := pgShort[server][r.frame.kind]; m.at.secret && !fixed {
		return asHidden
	}
	return asBytes
}

// whole handles the body of a message with information.
func (r *pgServer) whole(m *messages, body []byte) {
	how := asBytes
	if r.frame.kind == 'E' && m.at.secret {
		how = asHidden
	}
	m.consume(len(body), how)
	m.fresh()
	switch r.frame.kind {
	case 'E':
		m.at.ev.Status, r.failed = pgError(body, m.shown(len(body)), how == asHidden), true
	case 'C':
		if tag, _, ok := cutString(m.shown(len(body))); ok && !r.failed {
			m.at.ev.Status = inOneLine(tag, maxStatus)
		}
	case 'T':
		r.columns(body)
	}
}

// columns reports whether a column of a RowDescription is secret.
func (r *pgServer) columns(body []byte) {
	const behindName = 18
	if len(body) < 2 {
		return
	}
	rest := body[2:]
	for range binary.BigEndian.Uint16(body) {
		name, more, ok := cutString(rest)
		if !ok || len(more) < behindName {
			return
		}
		r.rows = r.rows || isSecretName(name)
		rest = more[behindName:]
	}
}

func (r *pgServer) expected(m *messages) {
	m.fresh()
	r.ends(m)
}

// ends ends a message, and with some messages a reply.
func (r *pgServer) ends(m *messages) {
	at := &m.at.ev
	switch {
	case r.unsolicited, r.frame.kind == 'E' && (at.Op == "STARTUP" || at.Op == "CANCEL"):
	case r.frame.kind == 'Z':
		if at.Status == "" {
			at.Status = "OK"
		}
	case r.frame.kind == 'R', r.frame.kind == 'G', r.frame.kind == 'W': // the client continues
		return
	default:
		return
	}
	m.answers(finding.Complete)
}

func (r *pgServer) lost(*messages) {
	r.frame, r.failed, r.unsolicited, r.rows = pgFrame{}, false, false, false
}

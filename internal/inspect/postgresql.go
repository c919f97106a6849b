package inspect

import (
	"encoding/binary"
	"strings"
)

// postgresql is the protocol 3 of PostgreSQL,
// https://www.postgresql.org/docs/current/protocol-message-formats.html. Within TLS
// the client's startup message is the first.
var postgresql = &dialect{name: "postgresql", ports: []uint16{5432, 6432}, recognise: isPostgreSQL,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &pgState{}
		}
		if client {
			return &pgClient{state: d.shared.(*pgState)}
		}
		return &pgServer{state: d.shared.(*pgState)}
	}}

// pgState is the state that both directions share.
type pgState struct {
	// prepared are the statements with a name, the latest of them.
	prepared map[string]statement
}

// maxPrepared limits the statements kept for a connection.
const maxPrepared = 32

func (p *pgState) remember(name string, st statement) {
	if p.prepared == nil {
		p.prepared = map[string]statement{}
	}
	if _, known := p.prepared[name]; !known && len(p.prepared) >= maxPrepared {
		for old := range p.prepared { // any: a program has few, or they are all alike
			delete(p.prepared, old)
			break
		}
	}
	p.prepared[name] = st
}

// The codes of messages without a type, which only begin a connection.
const (
	pgVersion30 = 3 << 16
	pgVersion32 = 3<<16 | 2
	pgCancel    = 1234<<16 | 5678
	pgHead      = 5 // a type and a length, which counts itself
	maxPgStart  = 10000
)

// pgNames are the messages of each side by their type.
var pgNames = [...]map[byte]string{
	client: {'B': "Bind", 'C': "Close", 'd': "CopyData", 'c': "CopyDone", 'f': "CopyFail", 'D': "Describe", 'E': "Execute", 'H': "Flush",
		'F': "FunctionCall", 'P': "Parse", 'p': "Password", 'Q': "Query", 'S': "Sync", 'X': "Terminate"},
	server: {'R': "Authentication", 'K': "BackendKeyData", '2': "BindComplete", '3': "CloseComplete", 'C': "CommandComplete", 'd': "CopyData",
		'c': "CopyDone", 'G': "CopyInResponse", 'H': "CopyOutResponse", 'W': "CopyBothResponse", 'D': "DataRow", 'I': "EmptyQueryResponse",
		'E': "ErrorResponse", 'V': "FunctionCallResponse", 'v': "NegotiateProtocolVersion", 'n': "NoData", 'N': "NoticeResponse",
		'A': "NotificationResponse", 't': "ParameterDescription", 'S': "ParameterStatus", '1': "ParseComplete", 's': "PortalSuspended",
		'Z': "ReadyForQuery", 'T': "RowDescription"},
}

// pgShort are lengths that messages always have.
var pgShort = [...]map[byte]uint32{
	client: {'c': 4, 'H': 4, 'S': 4, 'X': 4},
	server: {'2': 4, '3': 4, 'c': 4, 'I': 4, 'n': 4, '1': 4, 's': 4, 'Z': 5},
}

func isPostgreSQL(b []byte, o opening) verdict {
	if o.mayBe(client) && b[0] == 0 && (o.first || o.spoken) {
		if v := isPgStart(b); v != no {
			return v
		}
	}
	if !o.likely() {
		return no
	}
	v := isPg(b, o.role)
	if v == ofClient && o.role == server {
		v = ofServer
	}
	return v
}

// isPgStart reports whether b is a message that begins a connection.
func isPgStart(b []byte) verdict {
	switch {
	case len(b) > 1 && b[1] != 0:
		return no
	case len(b) < 8:
		return perhaps
	}
	n := binary.BigEndian.Uint32(b)
	switch binary.BigEndian.Uint32(b[4:]) {
	case pgVersion30, pgVersion32:
		if n > 8 && n <= maxPgStart {
			return ofClient
		}
	case pgCancel:
		if n >= 12 && n <= 268 {
			return ofClient
		}
	}
	return no
}

// isPg reports whether b begins with consecutive messages of a side.
func isPg(b []byte, of role) verdict {
	for first := true; len(b) > 0; first = false {
		if len(b) < pgHead {
			if first && pgNames[of][b[0]] != "" {
				return perhaps
			}
			break
		}
		n := binary.BigEndian.Uint32(b[1:])
		if short, ok := pgShort[of][b[0]]; pgNames[of][b[0]] == "" || ok && n != short || n < 4 || n > pgLongest(b[0]) {
			return no
		}
		b = b[min(uint64(len(b)), 1+uint64(n)):]
	}
	return ofClient
}

// pgLongest limits the length of a message: four letters would be a greater length, so
// that text is not mistaken for one.
func pgLongest(kind byte) uint32 {
	switch kind {
	case 'D', 'd', 'Q', 'P', 'B', 'F', 'V':
		return 1<<29 - 1
	}
	return 1 << 20
}

// pgFrame is the parsed head of the next message.
type pgFrame struct {
	kind byte
	size int // length after the head
	last byte
}

// read parses a head; ok says that it can be one of this side.
func (f *pgFrame) read(b []byte, of role) (ok bool) {
	n := binary.BigEndian.Uint32(b[1:])
	f.kind, f.size = b[0], int(n)-4
	return isPg(b[:pgHead], of) == ofClient
}

// consume consumes the head, and names the message if the one before was another.
func (f *pgFrame) consume(m *messages, of role) {
	note := ""
	if f.kind != f.last {
		note = "PostgreSQL " + pgNames[of][f.kind]
	}
	f.last = f.kind
	m.consumeNoted(pgHead, asBytes, note)
	m.fresh()
}

// pgError summarises an ErrorResponse: its severity, its code and its text.
func pgError(fields, shown []byte, quiet bool) string {
	var severity, code, text string
	for len(fields) > 1 && fields[0] != 0 {
		kind := fields[0]
		value, rest, ok := cutString(fields[1:])
		if !ok {
			break
		}
		is := string(shown[1 : 1+len(value)])
		switch kind {
		case 'S':
			severity = upper(value) // a word of the server's own
		case 'C':
			code = string(value)
		case 'M':
			text = is
		}
		shown, fields = shown[2+len(value):], rest
	}
	if quiet {
		text = ""
	}
	return inOneLine([]byte(strings.Join([]string{severity, code, text}, " ")), maxStatus)
}

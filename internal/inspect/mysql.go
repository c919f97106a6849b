package inspect

import "encoding/binary"

// mysql is the protocol of MySQL and MariaDB,
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html,
// https://mariadb.com/kb/en/clientserver-protocol/. Within TLS the client's handshake
// response is the first.
var mysql = &dialect{name: "mysql", ports: []uint16{3306, 33060}, recognise: isMySQL,
	grammar: func(d *dialogue, client bool) grammar {
		if d.shared == nil {
			d.shared = &mysqlState{}
		}
		if client {
			return &mysqlClient{state: d.shared.(*mysqlState)}
		}
		return &mysqlServer{state: d.shared.(*mysqlState)}
	}}

// mysqlState is the state that both directions share.
type mysqlState struct {
	// login is the call whose packets are passwords, until the server accepts; file is the
	// call that a file of the client is part of.
	login, file *call
	prepared    map[uint32]statement
	// eof: an EOF follows definitions. If the login was not seen, it may or may not follow.
	eof bool
}

func (p *mysqlState) remember(id uint32, st statement) {
	if p.prepared == nil {
		p.prepared = map[uint32]statement{}
	}
	if _, known := p.prepared[id]; !known && len(p.prepared) >= maxPrepared {
		for old := range p.prepared {
			delete(p.prepared, old)
			break
		}
	}
	p.prepared[id] = st
}

const (
	mysqlHead = 4 // length and number
	mysqlMost = 1<<24 - 1
	// The fixed part of a handshake response, and the capabilities of a response on a TLS
	// connection.
	mysqlFixed   = 32
	mysqlNeeds   = 1<<9 | 1<<11 // CLIENT_PROTOCOL_41, CLIENT_SSL
	mysqlWithDB  = 1 << 3       // CLIENT_CONNECT_WITH_DB
	mysqlLenAuth = 1 << 21      // CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
	mysqlNoEOF   = 1 << 24      // CLIENT_DEPRECATE_EOF
)

// mysqlCommands are the names of commands.
var mysqlCommands = map[byte]string{
	0x01: "QUIT", 0x02: "INIT_DB", 0x03: "QUERY", 0x04: "FIELD_LIST", 0x05: "CREATE_DB", 0x06: "DROP_DB", 0x08: "SHUTDOWN", 0x09: "STATISTICS",
	0x0a: "PROCESS_INFO", 0x0c: "PROCESS_KILL", 0x0d: "DEBUG", 0x0e: "PING", 0x11: "CHANGE_USER", 0x12: "BINLOG_DUMP", 0x15: "REGISTER_SLAVE",
	0x16: "STMT_PREPARE", 0x17: "STMT_EXECUTE", 0x18: "STMT_SEND_LONG_DATA", 0x19: "STMT_CLOSE", 0x1a: "STMT_RESET", 0x1b: "SET_OPTION",
	0x1c: "STMT_FETCH", 0x1e: "BINLOG_DUMP_GTID", 0x1f: "RESET_CONNECTION", 0xfa: "STMT_BULK_EXECUTE",
}

// mysqlPacket is the head of a packet.
type mysqlPacket struct {
	size int // of the payload
	seq  byte
}

func readMySQL(b []byte) mysqlPacket {
	return mysqlPacket{size: int(b[0]) | int(b[1])<<8 | int(b[2])<<16, seq: b[3]}
}

func isMySQL(b []byte, o opening) verdict {
	if o.mayBe(client) && (o.first || o.spoken) {
		if v := isMySQLLogin(b, o); v != no {
			return v
		}
	}
	switch {
	case !o.likely():
		return no
	case len(b) <= mysqlHead:
		return perhaps
	}
	p := readMySQL(b)
	switch {
	case p.size == 0:
		return no
	case o.role == client && p.seq == 0 && mysqlCommands[b[mysqlHead]] != "" && inSequence(b):
		return ofClient
	case o.role == server && (p.seq == 1 || o.first && p.seq > 1 && p.seq < 16) && mayReply(p, b[mysqlHead]) && inSequence(b):
		return ofServer
	}
	return no
}

// isMySQLLogin reports whether b is a handshake response.
func isMySQLLogin(b []byte, o opening) verdict {
	if len(b) < mysqlHead {
		if o.likely() {
			return perhaps
		}
		return no
	}
	p := readMySQL(b)
	if p.seq != 2 || p.size < mysqlFixed || p.size > maxStartLine {
		return no
	}
	if len(b) < mysqlHead+mysqlFixed {
		return perhaps
	}
	fixed := b[mysqlHead:]
	if binary.LittleEndian.Uint32(fixed)&mysqlNeeds != mysqlNeeds {
		return no
	}
	for _, c := range fixed[9:28] { // 23 of MySQL are zero, of MariaDB 19
		if c != 0 {
			return no
		}
	}
	return ofClient
}

// mayReply reports whether a packet can be the first of a reply: OK, ERR, a file's name or
// a number of columns.
func mayReply(p mysqlPacket, first byte) bool {
	switch first {
	case mysqlOK:
		return p.size >= 7 && p.size <= maxPgError
	case mysqlERR, mysqlEOF, mysqlFile:
		return p.size >= 2 && p.size <= maxPgError
	}
	return p.size <= 9 || p.seq > 1 && p.size <= maxPgError
}

// inSequence reports whether the packets have consecutive numbers, as far as b goes.
func inSequence(b []byte) bool {
	last := readMySQL(b)
	for {
		n := mysqlHead + last.size
		if len(b) < n+mysqlHead {
			return true
		}
		b = b[n:]
		p := readMySQL(b)
		if p.seq != last.seq+1 && p.seq > 1 {
			return false
		}
		last = p
	}
}

// lenenc reads an integer of one to nine bytes, and returns how many it takes; 0 if b is
// not one, or is incomplete.
func lenenc(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	size := map[byte]int{0xfc: 2, 0xfd: 3, 0xfe: 8}[b[0]]
	switch {
	case b[0] < 0xfb:
		return uint64(b[0]), 1
	case size == 0 || len(b) < 1+size:
		return 0, 0
	}
	for i := size; i > 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, 1 + size
}

// lenencString splits a text after its length from b.
func lenencString(b []byte) (text, rest []byte, ok bool) {
	n, size := lenenc(b)
	if size == 0 || uint64(len(b)-size) < n {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

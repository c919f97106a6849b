package programs

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestServices: databases and mail.
func TestServices(t *testing.T) {
	onItsKernel(t)
	w := newWorld(t)
	try(t, w.trixie, serviceTrials(w)...)
	if onEach() {
		t.Run("PostgreSQL", func(t *testing.T) { tryPostgreSQL(t, w) })
	}
}

func serviceTrials(w *world) []trial {
	return []trial{&mariaDB{world: w}, &postfix{world: w}}
}

// mariaDB is the server alone: its own client never requests kernel TLS. It runs without tables of
// users, which take longer to make than everything else.
type mariaDB struct {
	*world
	port  int
	peers peers
}

func (m *mariaDB) sides() []side {
	return []side{{"MariaDB", "server", "mariadb-server-core", m.port}}
}

func (m *mariaDB) begin(t *testing.T) {
	m.port = freePort(t)
	dir, key, id := m.own(t, "mysql")
	server := m.trixie.command(t, "mariadbd", "--no-defaults", "--datadir="+dir, "--socket="+dir+"/socket", "--bind-address=127.0.0.1", "--port="+strconv.Itoa(m.port),
		"--skip-grant-tables", "--innodb=OFF", "--default-storage-engine=MEMORY", "--ssl-cert="+m.cert, "--ssl-key="+key)
	server.SysProcAttr.Credential = id
	server.Env = append(server.Env, "OPENSSL_CONF="+m.openssl)
	start(t, server, m.port)
}

func (m *mariaDB) talk(t *testing.T) {
	for _, version := range versions {
		p := m.dial(t, version)
		writeMySQL(t, p, 0, append([]byte{3}, "select repeat('0123456789', 3000)"...)) // COM_QUERY
		const behind = 3                                                               // the row follows the number of columns, the column and an end
		for range behind {
			readMySQL(t, p)
		}
		row := readMySQL(t, p)
		if want := "\xfc\x30\x75" + strings.Repeat("0123456789", 3000); string(row) != want {
			t.Errorf("a row of %d bytes, want %d: %.20q", len(row), len(want), row)
		}
		readMySQL(t, p)                // the end of the rows
		writeMySQL(t, p, 0, []byte{1}) // COM_QUIT
		if n, err := p.Read(make([]byte, 1)); n != 0 {
			t.Errorf("the server says more (%v)", err)
		}
		p.Close()
	}
}

// dial logs in by TLS (MariaDB's documentation, "Connection phase").
func (m *mariaDB) dial(t *testing.T, version uint16) *peer {
	t.Helper()
	c, err := net.Dial("tcp", address(m.port))
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	readMySQL(t, c) // the server's identity and capabilities
	// CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; packets of 16 MB; UTF-8
	hello := make([]byte, 32)
	binary.LittleEndian.PutUint32(hello, 1<<9|1<<11|1<<15|1<<19)
	binary.LittleEndian.PutUint32(hello[4:], 1<<24)
	hello[8] = 33
	writeMySQL(t, c, 1, hello)
	p := m.peers.add(tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}))
	writeMySQL(t, p, 2, append(hello, "root\x00\x00mysql_native_password\x00"...))
	if answer := readMySQL(t, p); answer[0] != 0 {
		t.Fatalf("the server does not let the test in: %q", answer)
	}
	return p
}

// readMySQL reads a packet: three bytes of length, its number, its content.
func readMySQL(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var head [4]byte
	_, err := io.ReadFull(r, head[:])
	must(t, err)
	head[3] = 0
	b := make([]byte, binary.LittleEndian.Uint32(head[:]))
	_, err = io.ReadFull(r, b)
	must(t, err)
	if len(b) == 0 || b[0] == 0xff {
		t.Fatalf("the server reports %.100q", b)
	}
	return b
}

func writeMySQL(t *testing.T, w io.Writer, number byte, b []byte) {
	t.Helper()
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(b)))
	head[3] = number
	_, err := w.Write(append(head, b...))
	must(t, err)
}

func (m *mariaDB) check(t *testing.T, got *trace) string {
	s := m.sides()[0]
	if n := got.countCalls(t, s, "mysql", "SELECT", "1 rows"); n != len(versions) {
		t.Errorf("inspect reports %d statements, want %d", n, len(versions))
	}
	return fmt.Sprintf("%d bytes with what the clients got and sent", m.peers.check(t, got, s))
}

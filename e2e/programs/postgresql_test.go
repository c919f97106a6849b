package programs

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// tryPostgreSQL: its connections break if OpenSSL's configuration switches kernel TLS on,
// as docs/programs.md warns, and ktlstop shows why: keys went to the kernel, and
// PostgreSQL's data opened by it was treated as sealed records. The developers may fix
// that, so this is tested before a release.
func tryPostgreSQL(t *testing.T, w *world) {
	p := &postgreSQL{world: w}
	p.begin(t)
	tr := startTracer(t, "trace", "-o", "json", "-s", "16384")
	if got := run(t, p.psql(t, "sslmode=disable")); strings.TrimSpace(got) != "1" {
		t.Errorf("without TLS: %q", got)
	}
	for _, version := range []string{"TLSv1.2", "TLSv1.3"} {
		out, err := p.psql(t, "sslmode=require ssl_max_protocol_version="+version).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("failed:")) {
			t.Errorf("%s: %v: %s: docs/programs.md says that it fails", version, err, out)
		}
	}
	got := tr.stop(t)
	got.nothingLost(t)
	got.neverAnswered(t, p)
}

// neverAnswered checks that the server has given its keys to the kernel on each
// connection, and that no message of PostgreSQL was transferred on one.
func (tr *trace) neverAnswered(t *testing.T, p *postgreSQL) {
	t.Helper()
	s := side{"PostgreSQL", "server", "postgresql-17", p.port}
	found := tr.modes(s)
	if len(found) != 2 {
		t.Errorf("%d connections with kernel TLS, want one of each version", len(found))
	}
	for id, got := range found {
		if got.rx != "sw" {
			t.Errorf("connection %d: %+v, want the kernel to open what comes", id, got)
		}
	}
	for _, r := range tr.records {
		if s.has(&r.Conn) && r.Dir == event.TX && bytes.Contains(r.Payload, []byte("server_version")) {
			t.Errorf("the server has let somebody in: %q", r.Payload)
		}
	}
	t.Logf("%d connections failed after the kernel had their keys, %d errors reported", len(found), len(tr.errors))
}

type postgreSQL struct {
	*world
	port int
}

const postgresPrograms = "/usr/lib/postgresql/17/bin/"

func (p *postgreSQL) begin(t *testing.T) {
	p.port = freePort(t)
	dir, key, id := p.own(t, "postgres")
	data := filepath.Join(dir, "data")
	initdb := p.trixie.command(t, postgresPrograms+"initdb", "-D", data, "-A", "trust", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions")
	initdb.SysProcAttr.Credential = id
	run(t, initdb)
	server := p.trixie.command(t, postgresPrograms+"postgres", "-D", data, "-k", dir, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "ssl=on", "-c", "ssl_cert_file="+p.cert, "-c", "ssl_key_file="+key)
	server.SysProcAttr.Credential = id
	server.Env = append(server.Env, "OPENSSL_CONF="+p.openssl)
	start(t, server, p.port)
}

// psql queries a number, over a connection on which only the server has kernel TLS.
func (p *postgreSQL) psql(t *testing.T, how string) *exec.Cmd {
	t.Helper()
	return p.trixie.command(t, postgresPrograms+"psql", "-XAtq", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres %s", p.port, how), "-c", "select 1")
}

package programs

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// redis is the server, its command line and its benchmark.
type redis struct {
	*world
	port int
}

func (r *redis) sides() []side {
	return []side{{"redis", "server", "redis-server", r.port}, {"redis-cli, redis-benchmark", "client", "redis-tools", r.port}}
}

func (r *redis) begin(t *testing.T) {
	r.port = freePort(t)
	cmd := r.trixie.command(t, "redis-server", "--bind", "127.0.0.1", "--port", "0", "--tls-port", strconv.Itoa(r.port), "--tls-cert-file", r.cert,
		"--tls-key-file", r.key, "--tls-ca-cert-file", r.cert, "--tls-auth-clients", "no", "--save", "", "--dir", r.dir)
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+r.openssl)
	start(t, cmd, r.port)
}

// client runs one of its clients.
func (r *redis) client(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := r.trixie.command(t, name, append([]string{"-p", strconv.Itoa(r.port), "--tls", "--cacert", r.cert}, args...)...)
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+r.openssl)
	return run(t, cmd)
}

func (r *redis) talk(t *testing.T) {
	value := strings.Repeat("0123456789", 3000)
	if got := r.client(t, "redis-cli", "set", "key", value); !strings.HasPrefix(got, "OK") {
		t.Errorf("redis-cli set: %q", got)
	}
	if got := r.client(t, "redis-cli", "get", "key"); strings.TrimSpace(got) != value {
		t.Errorf("redis-cli get: %d bytes, want %d", len(got), len(value))
	}
	r.client(t, "redis-benchmark", "-n", "500", "-c", "10", "-q", "-t", "get,set")
}

func (r *redis) check(t *testing.T, got *trace) string {
	conns, n := got.bothEnds(t, r.port)
	if conns < 12 || n < 60_000+500*20 {
		t.Errorf("only %d connections with %d bytes", conns, n)
	}
	return fmt.Sprintf("%d bytes between both ends of %d connections", n, conns)
}

type memcached struct {
	*world
	port  int
	peers peers
}

func (m *memcached) sides() []side {
	return []side{{"memcached", "server", "memcached", m.port}}
}

func (m *memcached) begin(t *testing.T) {
	m.port = freePort(t)
	cmd := m.trixie.command(t, "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", strconv.Itoa(m.port), "-U", "0", "-t", "1", "-Z",
		"-o", "ssl_chain_cert="+m.both+",ssl_key="+m.both)
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+m.openssl)
	start(t, cmd, m.port)
}

func (m *memcached) talk(t *testing.T) {
	for _, version := range versions {
		p, err := m.peers.dial(m.port, version, "")
		must(t, err)
		value := strings.Repeat("0123456789", 3000)
		m.ask(t, p, fmt.Sprintf("set key 0 0 %d\r\n%s\r\n", len(value), value), "STORED\r\n")
		m.ask(t, p, "get key\r\n", fmt.Sprintf("VALUE key 0 %d\r\n%s\r\nEND\r\n", len(value), value))
		m.ask(t, p, "quit\r\n", "")
		p.Close()
	}
}

// ask sends a command and reads the answer, or the end where there is none.
func (m *memcached) ask(t *testing.T, p *peer, command, want string) {
	t.Helper()
	_, err := io.WriteString(p, command)
	must(t, err)
	got := make([]byte, max(len(want), 1))
	n, err := io.ReadFull(p, got)
	if string(got[:n]) != want || want == "" && err != io.EOF {
		t.Errorf("memcached answered %.20q and %d bytes (%v), want %.20q and %d", got[:n], n, err, want, len(want))
	}
}

func (m *memcached) check(t *testing.T, got *trace) string {
	return fmt.Sprintf("%d bytes with what the clients got and sent", m.peers.check(t, got, m.sides()[0]))
}

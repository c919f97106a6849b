package programs

import (
	"fmt"
	"testing"
)

// curl uses OpenSSL with kernel TLS switched on, but has no kernel TLS.
type curl struct {
	*world
	port  int
	peers peers
}

func (c *curl) sides() []side { return []side{{"curl", "client", "curl", c.port}} }

func (c *curl) begin(t *testing.T) { c.port = c.serve(t, &c.peers) }

func (c *curl) talk(t *testing.T) {
	cmd := c.trixie.command(t, "curl", "-sS", "--cacert", c.cert, fmt.Sprintf("https://%s/c", address(c.port)))
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+c.openssl)
	if got := run(t, cmd); got != string(c.files["c"]) {
		t.Errorf("curl got %d bytes, want %d", len(got), len(c.files["c"]))
	}
}

func (c *curl) check(t *testing.T, got *trace) string {
	if len(c.peers.all) != 1 || c.peers.all[0].wrote.n < len(c.files["c"]) {
		t.Errorf("%d connections of curl", len(c.peers.all))
	}
	for _, r := range got.records {
		if r.Proc.Name() == "curl" {
			t.Fatalf("a record of curl: %+v", r)
		}
	}
	return "no record of it, of a connection that there was"
}

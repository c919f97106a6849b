package programs

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// openSSL is its s_server, which sends files by SSL_sendfile.
type openSSL struct {
	*world
	port  int
	peers peers
}

func (o *openSSL) sides() []side {
	return []side{{"OpenSSL's s_server", "server", "openssl", o.port}}
}

func (o *openSSL) begin(t *testing.T) {
	o.port = freePort(t)
	cmd := o.trixie.command(t, "openssl", "s_server", "-accept", "127.0.0.1:"+strconv.Itoa(o.port), "-cert", o.cert, "-key", o.key, "-WWW", "-ktls", "-sendfile")
	cmd.Dir = o.www
	start(t, cmd, o.port)
}

func (o *openSSL) talk(t *testing.T) {
	for _, version := range versions {
		b := newBrowser(&o.peers, o.port, version, false)
		b.get(t, "/c", o.files["c"])
		b.close()
	}
}

func (o *openSSL) check(t *testing.T, got *trace) string {
	s := o.sides()[0]
	n := o.peers.check(t, got, s)
	by := got.ops(s, event.TX)
	if want := len(versions) * len(o.files["c"]); by["sendfile"] != want {
		t.Errorf("sent by %v, want the files' %d bytes by sendfile", by, want)
	}
	return fmt.Sprintf("%d bytes with what the clients got and sent; sent by %v", n, by)
}

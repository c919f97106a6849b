package programs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

type lighttpd struct {
	*world
	port  int
	peers peers
	asked int
}

func (l *lighttpd) sides() []side { return []side{{"lighttpd", "server", "lighttpd", l.port}} }

const lighttpdConf = `
server.modules = ("mod_openssl", "mod_accesslog")
server.document-root = "WWW"
server.bind = "127.0.0.1"
server.port = PORT
ssl.engine = "enable"
ssl.pemfile = "CERT"
ssl.privkey = "KEY"
ssl.openssl.ssl-conf-cmd = ("Options" => "KTLS", "MinProtocol" => "TLSv1.2")
accesslog.filename = "DIR/lighttpd.log"
accesslog.format = "%H %s %I %O"
`

func (l *lighttpd) begin(t *testing.T) {
	l.port = freePort(t)
	conf := strings.NewReplacer("DIR", l.dir, "WWW", l.www, "CERT", l.cert, "KEY", l.key, "PORT", fmt.Sprint(l.port)).Replace(lighttpdConf)
	start(t, l.trixie.command(t, "lighttpd", "-D", "-f", l.write(t, "lighttpd.conf", conf)), l.port)
}

func (l *lighttpd) talk(t *testing.T) {
	for _, version := range versions {
		for _, h2 := range []bool{false, true} {
			b := newBrowser(&l.peers, l.port, version, h2)
			for _, name := range []string{"a", "b", "c"} {
				b.get(t, "/"+name, l.files[name])
				l.asked++
			}
			b.close()
		}
	}
}

func (l *lighttpd) check(t *testing.T, got *trace) string {
	s := l.sides()[0]
	n := l.peers.check(t, got, s)
	in, out := l.logged(t)
	if rx, tx := got.bytesOf(s, event.RX), got.bytesOf(s, event.TX); rx != in || tx != out {
		t.Errorf("%d bytes received and %d sent, the access log has %d and %d", rx, tx, in, out)
	}
	return fmt.Sprintf("%d bytes with what the clients got and sent, and with the access log; sent by %v", n, got.ops(s, event.TX))
}

// logged adds up the bytes of the access log. An HTTP/2 connection has a line of its
// own there, with status 100, besides those of its streams: it includes frames.
func (l *lighttpd) logged(t *testing.T) (in, out int) {
	t.Helper()
	for _, line := range l.lines(t, "lighttpd.log", l.asked+len(versions)) {
		var protocol string
		var status, i, o int
		if _, err := fmt.Sscan(line, &protocol, &status, &i, &o); err != nil || status != 200 && status != 100 {
			t.Errorf("%q: %v", line, err)
		}
		if protocol == "HTTP/1.1" || status == 100 {
			in, out = in+i, out+o
		}
	}
	return in, out
}

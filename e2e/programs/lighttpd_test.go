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
accesslog.format = "%s %I %O"
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

func (l *lighttpd) check(t *testing.T, got *trace) {
	s := l.sides()[0]
	n := l.peers.check(t, got, s)
	logged := 0
	for _, line := range l.lines(t, "lighttpd.log", l.asked) {
		var status, in, out int
		if _, err := fmt.Sscan(line, &status, &in, &out); err != nil || status != 200 {
			t.Errorf("%q: %v", line, err)
		}
		logged += out
	}
	if sent := got.bytesOf(s, event.TX); sent != logged {
		t.Errorf("%d bytes sent, the access log has %d", sent, logged)
	}
	t.Logf("%d bytes as the clients say, %d of them sent, as in the access log; by %v", n, logged, got.ops(s, event.TX))
}

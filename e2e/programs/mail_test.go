package programs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// postfix receives mail, and passes it on to another port of its own: it is the server
// of the first connection and both ends of the second.
type postfix struct {
	*world
	in, relay int
	body      string
	peers     peers
}

func (p *postfix) sides() []side {
	return []side{{"postfix", "server", "postfix", p.in}, {"postfix", "server", "postfix", p.relay}, {"postfix", "client", "postfix", p.relay}}
}

const postfixMain = `
compatibility_level = 3.10
queue_directory = DIR/queue
data_directory = DIR/data
daemon_directory = /usr/lib/postfix/sbin
maillog_file = DIR/log
maillog_file_prefixes = DIR
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.example
mydestination =
alias_maps =
relayhost = [127.0.0.1]:RELAY
smtp_dns_support_level = disabled
smtp_tls_security_level = encrypt
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = KEY, CERT
tls_config_file = OPENSSL
`

const postfixMaster = `
127.0.0.1:IN inet n - n - - smtpd
127.0.0.1:RELAY inet n - n - - smtpd
  -o content_filter=discard:
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (p *postfix) begin(t *testing.T) {
	p.in, p.relay, p.body = freePort(t), freePort(t), strings.Repeat("All that is sent arrives.\r\n", 1000)
	dir := filepath.Join(p.dir, "postfix")
	p.makeQueues(t, dir)
	conf := strings.NewReplacer("DIR", dir, "IN", strconv.Itoa(p.in), "RELAY", strconv.Itoa(p.relay), "OPENSSL", p.openssl, "KEY", p.key, "CERT", p.cert)
	p.write(t, "postfix/main.cf", conf.Replace(postfixMain))
	p.write(t, "postfix/master.cf", strings.NewReplacer("IN", strconv.Itoa(p.in), "RELAY", strconv.Itoa(p.relay)).Replace(postfixMaster))
	// Not by "postfix start-fg", which checks each file's owner first, in a script of
	// hundreds of processes.
	master := p.trixie.command(t, "/usr/lib/postfix/sbin/master", "-d")
	master.Env = append(master.Env, "MAIL_CONFIG="+dir)
	start(t, master, p.in, p.relay)
}

// makeQueues makes the folders that postfix owns.
func (p *postfix) makeQueues(t *testing.T, dir string) {
	t.Helper()
	id := p.trixie.user(t, "postfix")
	for _, d := range []string{"data", "queue/active", "queue/bounce", "queue/corrupt", "queue/defer", "queue/deferred", "queue/flush", "queue/hold", "queue/incoming",
		"queue/maildrop", "queue/private", "queue/public", "queue/saved", "queue/trace"} {
		must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
		must(t, os.Chown(filepath.Join(dir, d), int(id.Uid), int(id.Gid)))
	}
	must(t, os.Mkdir(filepath.Join(dir, "queue/pid"), 0o755))
}

func (p *postfix) talk(t *testing.T) {
	for _, version := range versions {
		p.send(t, version)
	}
	// Each mail is sent twice: to the other port, and from there it is discarded.
	until(t, "the mail is there and all connections are closed", func() bool {
		log := p.log(t)
		return strings.Count(log, "status=sent") == 2*len(versions) && strings.Count(log, "]: connect from") == strings.Count(log, "]: disconnect from")
	})
}

func (p *postfix) log(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, "postfix/log"))
	must(t, err)
	return string(b)
}

// send submits a mail (RFC 5321), with TLS from STARTTLS on (RFC 3207).
func (p *postfix) send(t *testing.T, version uint16) {
	t.Helper()
	c, err := net.Dial("tcp", address(p.in))
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	plain := textproto.NewConn(c)
	reply(t, plain, 220)
	ask(t, plain, 250, "EHLO test.example")
	ask(t, plain, 220, "STARTTLS")
	peer := p.peers.add(tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}))
	smtp := textproto.NewConn(peer)
	defer smtp.Close()
	ask(t, smtp, 250, "EHLO test.example")
	ask(t, smtp, 250, "MAIL FROM:<from@test.example>")
	ask(t, smtp, 250, "RCPT TO:<to@other.example>")
	ask(t, smtp, 354, "DATA")
	ask(t, smtp, 250, p.body+".")
	ask(t, smtp, 221, "QUIT")
}

// ask sends a command and reads the reply, which must have this code.
func ask(t *testing.T, c *textproto.Conn, code int, command string) {
	t.Helper()
	must(t, c.PrintfLine("%s", command))
	reply(t, c, code)
}

func reply(t *testing.T, c *textproto.Conn, code int) {
	t.Helper()
	if _, message, err := c.ReadResponse(code); err != nil {
		t.Fatalf("want %d: %v %s", code, err, message)
	}
}

func (p *postfix) check(t *testing.T, got *trace) string {
	n := p.peers.check(t, got, p.sides()[0])
	conns, passed := got.bothEnds(t, p.relay)
	mails := 0
	for _, client := range got.clients(p.relay) {
		sent, _ := got.stream(client, p.relay, event.TX)
		mails += bytes.Count(sent, []byte(p.body))
	}
	if mails != len(versions) {
		t.Errorf("%d mails were passed on, want %d", mails, len(versions))
	}
	if begun := strings.Count(p.log(t), "]: connect from"); begun != len(p.peers.all)+conns {
		t.Errorf("postfix has logged %d connections, there were %d and %d", begun, len(p.peers.all), conns)
	}
	for _, s := range p.sides() {
		if n := got.countCalls(t, s, "smtp", "MAIL", "250 2.1.0 Ok"); n != len(versions) {
			t.Errorf("inspect reports %d mails of the %s at port %d, want %d", n, s.as, s.port, len(versions))
		}
	}
	return fmt.Sprintf("%d bytes with what who sent mail got and sent, %d bytes between both ends of %d connections by which it was passed on; connections and mails with its log", n, passed, conns)
}

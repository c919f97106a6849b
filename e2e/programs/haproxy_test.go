package programs

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// haproxy has five frontends: HTTP to a server without TLS, TCP to the same, HTTP/1 with
// and without TLS to a server with TLS, and HTTP/1 and 2 to that one without splice.
//
// HAProxy 3.4.7 on a busy machine, with ktlstop or without it, may not read data that a
// server sent by kernel TLS, and answer with status 504, if HTTP/1 with splice and HTTP/2
// share a backend's connections: here each has a backend of its own.
type haproxy struct {
	*world
	root                     *root
	web, tcp, tls, in, mixed int // ports that it listens on
	secure                   int // of the server with TLS
	webPeers, tcpPeers, tlsPeers, mixedPeers,
	serverPeers peers
}

func (h *haproxy) sides() []side {
	return []side{
		{"HAProxy", "server", "haproxy", h.web}, {"HAProxy", "server", "haproxy", h.tcp}, {"HAProxy", "server", "haproxy", h.tls},
		{"HAProxy", "server", "haproxy", h.mixed},
		{"HAProxy", "client", "haproxy", h.secure},
	}
}

const haproxyConf = `
global
  expose-experimental-directives
  log stdout format raw local0
  nbthread 2
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 60s
  log global
  log-format "%cp %ST %B %f"
frontend web
  option splice-request
  option splice-response
  bind 127.0.0.1:WEB ssl crt BOTH alpn h2,http/1.1 ktls on
  default_backend plain
frontend tcp
  mode tcp
  option splice-request
  option splice-response
  log-format "%cp %U %B %f"
  bind 127.0.0.1:TCP ssl crt BOTH ktls on
  default_backend stream
frontend tls
  option splice-request
  option splice-response
  bind 127.0.0.1:TLS ssl crt BOTH ktls on
  default_backend spliced
frontend in
  option splice-request
  option splice-response
  bind 127.0.0.1:IN
  default_backend spliced
frontend mixed
  bind 127.0.0.1:MIXED ssl crt BOTH alpn h2,http/1.1 ktls on
  default_backend secure
backend plain
  server s 127.0.0.1:PLAIN
backend stream
  mode tcp
  server s 127.0.0.1:PLAIN
backend spliced
  server s 127.0.0.1:SECURE ssl verify none ktls on
backend secure
  server s 127.0.0.1:SECURE ssl verify none ktls on
`

func (h *haproxy) begin(t *testing.T) {
	h.web, h.tcp, h.tls, h.in, h.mixed = freePort(t), freePort(t), freePort(t), freePort(t), freePort(t)
	plain := h.serve(t, nil)
	h.secure = h.serve(t, &h.serverPeers)
	conf := strings.NewReplacer("BOTH", h.both, "WEB", strconv.Itoa(h.web), "TCP", strconv.Itoa(h.tcp), ":TLS", ":"+strconv.Itoa(h.tls), ":IN", ":"+strconv.Itoa(h.in),
		"MIXED", strconv.Itoa(h.mixed), "PLAIN", strconv.Itoa(plain), "SECURE", strconv.Itoa(h.secure)).Replace(haproxyConf)
	cmd := h.root.command(t, "haproxy", "-db", "-f", h.write(t, "haproxy.cfg", conf))
	log, err := os.Create(filepath.Join(h.dir, "haproxy.log"))
	must(t, err)
	t.Cleanup(func() { log.Close() })
	cmd.Stdout = log
	start(t, cmd, h.web, h.tcp, h.tls, h.in, h.mixed)
}

func (h *haproxy) talk(t *testing.T) {
	for _, version := range versions {
		for _, h2 := range []bool{false, true} {
			h.browse(t, newBrowser(&h.webPeers, h.web, version, h2))
			h.browse(t, newBrowser(&h.mixedPeers, h.mixed, version, h2))
		}
		h.browse(t, newBrowser(&h.tcpPeers, h.tcp, version, false))
		h.browse(t, newBrowser(&h.tlsPeers, h.tls, version, false))
	}
	resp, err := http.Get("http://" + address(h.in) + "/c")
	must(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if string(got) != string(h.files["c"]) {
		t.Errorf("without TLS: status %d, %d bytes: %v", resp.StatusCode, len(got), err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func (h *haproxy) browse(t *testing.T, b *browser) {
	t.Helper()
	defer b.close()
	b.get(t, "/a", h.files["a"])
	b.get(t, "/c", h.files["c"])
	b.get(t, "/big", h.files["big"])
	if a := b.ask(t, http.MethodPost, "/", string(h.files["c"])); string(a.body) != fmt.Sprintf("%d bytes\n", len(h.files["c"])) {
		t.Errorf("port %d, HTTP/2 %v, TLS %x: POST: status %d, %q", b.port, b.h2, b.version, a.status, a.body)
	}
}

func (h *haproxy) check(t *testing.T, got *trace) string {
	sides := h.sides()
	n := h.webPeers.check(t, got, sides[0]) + h.tcpPeers.check(t, got, sides[1]) + h.tlsPeers.check(t, got, sides[2]) + h.mixedPeers.check(t, got, sides[3])
	passed := h.serverPeers.check(t, got, sides[4])
	h.checkLog(t, got)
	by := map[string]int{}
	for _, s := range sides {
		for _, dir := range []event.Dir{event.TX, event.RX} {
			for op, n := range got.ops(s, dir) {
				by[op] += n
			}
		}
	}
	for _, op := range []string{"send", "splice", "recv", "splice_read"} {
		if by[op] == 0 {
			t.Errorf("no bytes by %s: %v", op, by)
		}
	}
	return fmt.Sprintf("%d bytes with what the clients got and sent, %d with what the server did, %d connections of TCP with the log; by %v", n, passed, len(h.tcpPeers.all), by)
}

// checkLog compares the connections of TCP mode with the log: bytes to HAProxy, bytes from
// it. For HTTP the log counts HAProxy's own form of the data.
func (h *haproxy) checkLog(t *testing.T, got *trace) {
	t.Helper()
	requests := 4*(len(h.webPeers.all)+len(h.tlsPeers.all)+len(h.mixedPeers.all)) + len(h.tcpPeers.all) + 1
	compared := 0
	for _, line := range h.lines(t, "haproxy.log", requests) {
		var client, up, down int
		var frontend string
		if _, err := fmt.Sscan(line, &client, &up, &down, &frontend); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if frontend != "tcp" {
			if up != http.StatusOK {
				t.Errorf("HAProxy answered with status %d: %s", up, line)
			}
			continue
		}
		_, rx := got.stream(h.tcp, client, event.RX)
		_, tx := got.stream(h.tcp, client, event.TX)
		if rx != up || tx != down {
			t.Errorf("client %d: %d and %d bytes, the log has %d and %d", client, rx, tx, up, down)
		}
		compared++
	}
	if compared != len(h.tcpPeers.all) {
		t.Errorf("the log has %d connections of TCP, there were %d", compared, len(h.tcpPeers.all))
	}
}

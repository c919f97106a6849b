package programs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// nginx is four servers in one: that of the files, which passes some requests by kernel
// TLS to another, which passes some on without TLS, and one for h2load.
type nginx struct {
	*world
	site, upstream, load, plain int // ports
	peers                       peers
	asked, passed               int
	h2load                      string // its output
}

func (n *nginx) sides() []side {
	return []side{
		{"nginx", "server", "nginx", n.site},
		{"nginx", "server", "nginx", n.upstream},
		{"nginx", "server", "nginx", n.load},
		{"nginx", "client", "nginx", n.upstream},
	}
}

const nginxConf = `
daemon off; worker_processes 2; pid DIR/pid; error_log stderr; user root;
events { worker_connections 512; }
http {
	log_format json escape=json '{"port":$server_port,"client":$remote_port,"method":"$request_method","path":"$request_uri",'
		'"status":$status,"body":$body_bytes_sent,"sent":$bytes_sent,"request":$request_length,"protocol":"$server_protocol","expect":"$http_expect"}';
	access_log DIR/access.log json;
	client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
	sendfile on; default_type text/plain; gzip off; client_max_body_size 10m; client_body_buffer_size 1m; keepalive_requests 10000;
	ssl_certificate CERT; ssl_certificate_key KEY; ssl_protocols TLSv1.2 TLSv1.3;
	ssl_conf_command Options KTLS;
	upstream other { server 127.0.0.1:UPSTREAM; keepalive 4; }
	upstream older { server 127.0.0.1:UPSTREAM; keepalive 4; }
	server {
		listen 127.0.0.1:SITE ssl; http2 on; root WWW;
		location /packed/ { alias WWW/; gzip on; gzip_types text/plain; }
		location /up/ {
			proxy_pass https://other/; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_ssl_conf_command Options KTLS; proxy_ssl_protocols TLSv1.3;
		}
		location /up12/ {
			proxy_pass https://older/; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_ssl_conf_command Options KTLS; proxy_ssl_protocols TLSv1.2;
		}
		location /none { return 204; }
		location /moved { return 301 /a; }
	}
	server {
		listen 127.0.0.1:UPSTREAM ssl; root WWW;
		location /post { proxy_pass http://127.0.0.1:PLAIN; }
	}
	server { listen 127.0.0.1:LOAD ssl; http2 on; root WWW; }
	server { listen 127.0.0.1:PLAIN; access_log off; location / { return 200 "posted\n"; } }
}
`

func (n *nginx) begin(t *testing.T) {
	n.site, n.upstream, n.load, n.plain = freePort(t), freePort(t), freePort(t), freePort(t)
	n.write(t, "www/text", strings.Repeat("Text that is to be packed.\n", 300))
	n.files["text"] = []byte(strings.Repeat("Text that is to be packed.\n", 300))
	conf := strings.NewReplacer("DIR", n.dir+"/nginx", "WWW", n.www, "CERT", n.cert, "KEY", n.key, "SITE", strconv.Itoa(n.site),
		"UPSTREAM", strconv.Itoa(n.upstream), "LOAD", strconv.Itoa(n.load), "PLAIN", strconv.Itoa(n.plain)).Replace(nginxConf)
	start(t, n.trixie.command(t, "nginx", "-c", n.write(t, "nginx/nginx.conf", conf)), n.site, n.upstream, n.load, n.plain)
}

func (n *nginx) talk(t *testing.T) {
	for _, version := range versions {
		for _, h2 := range []bool{false, true} {
			n.browse(t, newBrowser(&n.peers, n.site, version, h2))
		}
	}
	n.h2load = run(t, n.trixie.command(t, "h2load", "-n", strconv.Itoa(loadRequests), "-c", "50", "-m", "10",
		fmt.Sprintf("https://%s/a", address(n.load)), fmt.Sprintf("https://%s/b", address(n.load)), fmt.Sprintf("https://%s/text", address(n.load))))
}

const loadRequests = 600

// browse makes all requests that a server of files answers.
func (n *nginx) browse(t *testing.T, b *browser) {
	t.Helper()
	defer b.close()
	files := n.files
	b.get(t, "/a", files["a"])
	b.get(t, "/b", files["b"])
	b.get(t, "/c", files["c"])
	b.get(t, "/c", files["c"][1000:50001], "Range: bytes=1000-50000")
	n.status(t, b, http.MethodGet, "/c", 206, "Range: bytes=0-9,100-199")
	n.status(t, b, http.MethodHead, "/c", 200)
	n.status(t, b, http.MethodGet, "/none", 204)
	n.status(t, b, http.MethodGet, "/moved", 301)
	n.status(t, b, http.MethodGet, "/nope", 404)
	n.status(t, b, http.MethodGet, "/packed/text", 200, "Accept-Encoding: gzip")
	b.get(t, "/up/b", files["b"])
	b.get(t, "/up/c", files["c"])
	b.get(t, "/up12/c", files["c"])
	posts := [][]string{nil}
	if !b.h2 {
		posts = append(posts, []string{"Expect: 100-continue"})
	}
	for _, headers := range posts {
		if a := b.ask(t, http.MethodPost, "/up/post", string(files["c"]), headers...); string(a.body) != "posted\n" {
			t.Errorf("POST: status %d, %q", a.status, a.body)
		}
	}
	n.asked += 13 + len(posts)
	n.passed += 3 + len(posts)
}

func (n *nginx) status(t *testing.T, b *browser, method, path string, want int, headers ...string) {
	t.Helper()
	if a := b.ask(t, method, path, "", headers...); a.status != want {
		t.Errorf("%s %s: status %d, want %d", method, path, a.status, want)
	}
}

func (n *nginx) check(t *testing.T, got *trace) string {
	sides := n.sides()
	log := n.accessLog(t)
	n.checkRequests(t, got, log)
	n.checkUpstreams(t, got, log)
	n.checkLengths(t, got, log)
	bytes := n.peers.check(t, got, sides[0])
	conns, passed := got.bothEnds(t, n.upstream)
	if by := got.ops(sides[0], event.TX); by["sendfile"] == 0 {
		t.Errorf("no bytes by sendfile: %v", by)
	}
	loaded := n.checkLoad(t, got)
	return fmt.Sprintf("%d requests with the access log, %d bytes with what %d clients got and sent, %d bytes between both ends of %d connections to the upstream, %d bytes of %d requests with h2load",
		len(log), bytes, len(n.peers.all), passed, conns, loaded, loadRequests)
}

// access is a line of the access log.
type access struct {
	Port, Client                int
	Method, Path, Protocol      string
	Expect                      string
	Status, Body, Sent, Request int
}

func (n *nginx) accessLog(t *testing.T) (log []access) {
	t.Helper()
	for _, line := range n.lines(t, "nginx/access.log", n.asked+n.passed+loadRequests) {
		var a access
		must(t, json.Unmarshal([]byte(line), &a))
		log = append(log, a)
	}
	return log
}

// besides is the difference between the log's body and the content: the lengths of chunks,
// and the interim response that the client waited for.
func (a *access) besides() int {
	switch {
	case a.Protocol != "HTTP/1.1":
		return 0
	case strings.HasPrefix(a.Path, "/packed/"):
		return framing(a.Body)
	case a.Expect != "":
		return len("HTTP/1.1 100 Continue\r\n\r\n")
	}
	return 0
}

// request has the fields of a request that both the access log and inspect have.
type request struct {
	client, port int
	method, path string
	status, body int
}

// requests counts inspect's requests in one direction, between these ports.
func (n *nginx) requests(t *testing.T, got *trace, dir string) map[request]int {
	t.Helper()
	all := map[request]int{}
	for _, e := range got.http {
		if e.Comm != "nginx" || e.Dir != dir {
			continue
		}
		if e.End != "complete" || e.Request == nil || e.Response == nil {
			t.Errorf("not seen whole: %+v", e)
			continue
		}
		r := request{e.Sock.RPort, e.Sock.LPort, e.Request.Method, e.Request.Path, e.Response.Status, e.Response.BodyLen}
		if dir == "tx" {
			r.client, r.port = r.port, r.client
		}
		all[r]++
	}
	return all
}

// logged counts the requests of a log.
func logged(log []access) map[request]int {
	all := map[request]int{}
	for _, a := range log {
		all[request{a.Client, a.Port, a.Method, a.Path, a.Status, a.Body - a.besides()}]++
	}
	return all
}

// framing is the length of the framing of one chunk and the last, empty one, for a body of
// the given length.
func framing(all int) int {
	for digits := 1; ; digits++ {
		if rest := all - digits - len("\r\n\r\n0\r\n\r\n"); len(strconv.FormatInt(int64(rest), 16)) == digits {
			return all - rest
		}
	}
}

func (n *nginx) checkRequests(t *testing.T, got *trace, log []access) {
	t.Helper()
	compare(t, "as a server", n.requests(t, got, "rx"), logged(log))
}

// checkUpstreams compares nginx's requests as a client with the log of its own server at
// the other end.
func (n *nginx) checkUpstreams(t *testing.T, got *trace, log []access) {
	t.Helper()
	var passed []access
	for _, a := range log {
		if a.Port == n.upstream {
			passed = append(passed, a)
		}
	}
	compare(t, "as a client", n.requests(t, got, "tx"), logged(passed))
}

func compare(t *testing.T, what string, got, want map[request]int) {
	t.Helper()
	for r, count := range want {
		if got[r] != count {
			t.Errorf("%s: inspect has %d times, the log %d times %+v", what, got[r], count, r)
		}
	}
	for r, count := range got {
		if want[r] == 0 {
			t.Errorf("%s: inspect has %d times %+v, which is not in the log", what, count, r)
		}
	}
}

// checkLengths compares heads and bodies of HTTP/1, in their order on each connection.
func (n *nginx) checkLengths(t *testing.T, got *trace, log []access) {
	t.Helper()
	byClient := map[int][]access{}
	for _, a := range log {
		byClient[a.Client] = append(byClient[a.Client], a)
	}
	compared := 0
	for _, e := range got.http {
		if e.Comm != "nginx" || e.Dir != "rx" || e.Version == "2" || len(byClient[e.Sock.RPort]) == 0 {
			continue
		}
		a := byClient[e.Sock.RPort][0]
		byClient[e.Sock.RPort] = byClient[e.Sock.RPort][1:]
		if a.Sent-a.besides() != e.Response.HeadLen+e.Response.BodyLen || a.Request != e.Request.HeadLen+e.Request.BodyLen {
			t.Errorf("inspect has %+v and %+v, the log %+v", *e.Request, *e.Response, a)
		}
		compared++
	}
	if compared < n.passed {
		t.Errorf("only %d requests of HTTP/1 compared", compared)
	}
}

var h2loadSays = regexp.MustCompile(`(\d+) succeeded[\s\S]*traffic: \S+ \((\d+)\) total`)

func (n *nginx) checkLoad(t *testing.T, got *trace) int {
	t.Helper()
	m := h2loadSays.FindStringSubmatch(n.h2load)
	if m == nil || m[1] != strconv.Itoa(loadRequests) {
		t.Fatalf("h2load: %s", n.h2load)
	}
	sent := got.bytesOf(n.sides()[2], event.TX)
	if strconv.Itoa(sent) != m[2] {
		t.Errorf("nginx sent %d bytes, h2load got %s", sent, m[2])
	}
	if conns := got.clients(n.load); len(conns) != 50 {
		t.Errorf("%d connections of h2load, want 50", len(conns))
	}
	return sent
}

// TestFraming: a log's length for a body in one chunk is the body, its length in
// hexadecimal, and the last chunk.
func TestFraming(t *testing.T) {
	for n := 1; n < 5000; n++ {
		all := len(fmt.Sprintf("%x\r\n", n)) + n + len("\r\n0\r\n\r\n")
		if got := all - framing(all); got != n {
			t.Fatalf("of %d bytes %d are body, want %d", all, got, n)
		}
	}
}

package e2e

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/ktlstop/ktlstop/internal/pty"
)

// A secret that curl sends and that ktlstop inspect must not show.
const secret = "c4nary.Is.Not.Shown"

// website is an nginx with kernel TLS that serves one file.
type website struct {
	dir, curl string
	port      int
	body      []byte
}

func startWebsite(t *testing.T) *website {
	t.Helper()
	w := &website{dir: t.TempDir(), curl: need(t, "curl"), body: pattern(123457, 3)}
	must(t, os.Chmod(w.dir, 0o755))
	must(t, os.WriteFile(filepath.Join(w.dir, "file"), w.body, 0o644))
	w.port = startNginx(t, w.dir)
	return w
}

// fetched is curl's report of one request.
type fetched struct {
	method, path                    string
	status, request, head, download int
}

// fetch requests over one connection the file, its head and a file that does not exist.
func (w *website) fetch(t *testing.T, tls, protocol string) (all []fetched) {
	t.Helper()
	url := fmt.Sprintf("https://127.0.0.1:%d", w.port)
	out := filepath.Join(w.dir, "out")
	var args []string
	for i, more := range [][]string{{"-o", out, url + "/file"}, {"-I", "-o", os.DevNull, url + "/file"}, {"-o", os.DevNull, url + "/no?x=1"}} {
		if i > 0 {
			args = append(args, "--next")
		}
		args = append(args, "-sSk", protocol, "--tlsv"+tls, "--tls-max", tls, "-H", "Authorization: Bearer "+secret,
			"-w", "%{method} %{http_code} %{size_request} %{size_header} %{size_download} %{num_connects}\n")
		args = append(args, more...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(w.curl, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("curl: %v: %s", err, &stderr)
	}
	for i, path := range []string{"/file", "/file", "/no?x=1"} {
		f, connects := fetched{path: path}, 0
		_, err := fmt.Fscan(&stdout, &f.method, &f.status, &f.request, &f.head, &f.download, &connects)
		must(t, err)
		if want := 1 - min(i, 1); connects != want {
			t.Fatalf("curl made %d connections for request %d", connects, i)
		}
		all = append(all, f)
	}
	got, err := os.ReadFile(out)
	must(t, err)
	if !bytes.Equal(got, w.body) {
		t.Fatal("curl got other bytes")
	}
	return all
}

// TestInspect: inspect shows of nginx what curl did.
func TestInspect(t *testing.T) {
	onEnds(t)
	w := startWebsite(t)
	tr := startCommand(t, "inspect", "-o", "json", "--comm", "nginx")
	versions, protocols := []string{"1.2", "1.3"}, []string{"--http1.1", "--http2"}
	var fetches [][]fetched
	for _, tls := range versions {
		for _, protocol := range protocols {
			fetches = append(fetches, w.fetch(t, tls, protocol))
		}
	}
	got := tr.stop()
	got.noLosses(t)
	checkNoSecret(t, tr, got)
	clients := got.clients()
	if len(clients) != len(fetches) {
		t.Fatalf("connections from %v", clients)
	}
	for i, want := range fetches {
		tls, protocol := versions[i/2], protocols[i%2]
		t.Run(tls+protocol, func(t *testing.T) { w.check(t, got.from(clients[i]), want, tls, protocol) })
	}
}

// clients are the ports of the clients, in the order of their responses.
func (tr trace) clients() (ports []int) {
	for _, l := range tr.ofType("http") {
		if !slices.Contains(ports, l.Sock.RPort) {
			ports = append(ports, l.Sock.RPort)
		}
	}
	return ports
}

func (tr trace) from(port int) trace {
	return tr.filter(func(l *line) bool { return l.Sock.RPort == port })
}

// check compares one connection with curl's report.
func (w *website) check(t *testing.T, got trace, want []fetched, tls, protocol string) {
	t.Helper()
	http := got.ofType("http")
	if len(http) != len(want) {
		t.Fatalf("%s: %d http events, want %d: %+v", protocol, len(http), len(want), got.ofType("note"))
	}
	for i := range http {
		checkHTTP(t, &http[i], &want[i], tls, protocol)
	}
	tx := got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "tx" }).data().payload()
	if protocol == "--http2" {
		tx = dataOf(t, tx, 1)
	}
	if !bytes.Contains(tx, w.body) || protocol == "--http2" && len(tx) != len(w.body) {
		t.Errorf("%s: the file is not in the %d bytes that were shown", protocol, len(tx))
	}
}

func checkHTTP(t *testing.T, l *line, want *fetched, tls, protocol string) {
	t.Helper()
	h1 := protocol == "--http1.1"
	version := map[bool]string{true: "1.1", false: "2"}[h1]
	if l.Version != version || l.End != "complete" || l.Dir != "rx" || l.Comm != "nginx" || l.Response == nil {
		t.Fatalf("%+v", l)
	}
	if r := l.Response; r.Status != want.status || r.BodyLen != want.download || h1 && r.HeadLen != want.head || r.HeadLen == 0 {
		t.Errorf("response %+v, curl got %+v", r, want)
	}
	if tls == "1.3" { // OpenSSL 3.0 receives it in user space
		if l.Request != nil || l.Duration != 0 {
			t.Errorf("request %+v, which nobody can have seen", l.Request)
		}
		return
	}
	r := l.Request
	if r == nil || r.Method != want.method || r.Path != want.path || !strings.HasPrefix(r.Host, "127.0.0.1:") || r.BodyLen != 0 ||
		h1 && r.HeadLen != want.request || l.Duration == 0 {
		t.Fatalf("request %+v in %d ns, curl sent %+v", r, l.Duration, want)
	}
	masked := false
	for _, h := range r.Headers {
		masked = masked || strings.EqualFold(h.Name, "authorization") && strings.Trim(h.Value, "*") == "" && len(h.Value) >= len(secret)
	}
	if !masked {
		t.Errorf("no masked Authorization in %+v", r.Headers)
	}
}

// dataOf returns the DATA of a stream of HTTP/2.
func dataOf(t *testing.T, b []byte, stream uint32) (data []byte) {
	t.Helper()
	fr := http2.NewFramer(nil, bytes.NewReader(b))
	for {
		f, err := fr.ReadFrame()
		if errors.Is(err, io.EOF) {
			return data
		}
		must(t, err)
		if d, ok := f.(*http2.DataFrame); ok && d.StreamID == stream {
			data = append(data, d.Data()...)
		}
	}
}

// checkNoSecret looks for the secret in the output, and in the payloads.
func checkNoSecret(t *testing.T, tr *tracer, got trace) {
	t.Helper()
	raw, err := os.ReadFile(tr.file)
	must(t, err)
	raw = append(raw, got.payload()...)
	if bytes.Contains(raw, []byte(secret)) || bytes.Contains(raw, []byte(base64.StdEncoding.EncodeToString([]byte(secret)))) {
		t.Error("the secret is in the output")
	}
}

// TestInspectFormats: text and hex of the same traffic.
func TestInspectFormats(t *testing.T) {
	onOneKernel(t)
	w := startWebsite(t)
	text := startCommand(t, "inspect", "--comm", "nginx", "--redact", "x=.")
	hex := startCommand(t, "inspect", "--comm", "nginx", "--format", "hex")
	w.fetch(t, "1.2", "--http1.1")
	w.fetch(t, "1.2", "--http2")
	host := fmt.Sprintf("127.0.0.1:%d", w.port)
	text.wrote("    GET /file HTTP/1.1\n", "    Authorization:***", "    HTTP/1.1 200 OK\n", "bytes that are no text]\n",
		"HTTP/1.1 GET "+host+"/file ", "+123457 B in ", "HTTP/1.1 HEAD "+host+"/file ",
		"| HTTP/2 HEADERS stream 1, ", "| :path: /file\n", "| authorization: ***", "| HTTP/2 DATA stream 1, ",
		"HTTP/2 stream 5 GET "+host+"/no?*** ", "> 404 ", "lost: nothing\n")
	hex.wrote("******", "GET /file HTTP/1", "HTTP/1.1 HEAD "+host, "HTTP/2 stream 5 GET "+host+"/no?x=1 ", "lost: nothing\n")
	for _, tr := range []*tracer{text, hex} {
		if banner := tr.stderr.String(); !strings.Contains(banner, "plaintext of the kTLS sockets that match --comm nginx, to 16384 bytes a record; masked: ") {
			t.Errorf("banner %q", banner)
		}
	}
}

// wrote ends the tracer and checks for required and forbidden text in its output.
func (tr *tracer) wrote(all ...string) {
	tr.t.Helper()
	must(tr.t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	out, err := os.ReadFile(tr.file)
	must(tr.t, err)
	for _, want := range all {
		if !bytes.Contains(out, []byte(want)) {
			tr.t.Errorf("no %q in\n%s", want, out[:min(len(out), 10000)])
		}
	}
	if bytes.Contains(out, []byte(secret[:6])) || bytes.Contains(out, []byte(secret[len(secret)-6:])) {
		tr.t.Errorf("the secret is shown in\n%s", out[:min(len(out), 10000)])
	}
}

// TestInspectRaw: the bytes alone are those that curl got.
func TestInspectRaw(t *testing.T) {
	onOneKernel(t)
	w := startWebsite(t)
	tr := startCommand(t, "inspect", "--comm", "nginx", "--dir", "tx", "--format", "raw")
	head := filepath.Join(w.dir, "head")
	url := fmt.Sprintf("https://127.0.0.1:%d/file", w.port)
	if b, err := exec.Command(w.curl, "-sSk", "--http1.1", "-D", head, "-o", os.DevNull, url).CombinedOutput(); err != nil {
		t.Fatalf("curl: %v: %s", err, b)
	}
	must(t, tr.cmd.Process.Signal(os.Interrupt))
	tr.wait()
	want, err := os.ReadFile(head)
	must(t, err)
	got, err := os.ReadFile(tr.file)
	must(t, err)
	if !bytes.Equal(got, append(want, w.body...)) {
		t.Errorf("%d bytes, curl got %d and %d", len(got), len(want), len(w.body))
	}
	if !strings.Contains(tr.stderr.String(), "lost: nothing") {
		t.Errorf("stderr %q", tr.stderr.String())
	}
}

// TestInspectRawOnTerminal: bytes of others do not reach a terminal.
func TestInspectRawOnTerminal(t *testing.T) {
	onOneKernel(t)
	master, terminal := openTerminal(t)
	defer master.Close()
	defer terminal.Close()
	for _, args := range [][]string{{}, {"-w", terminal.Name()}} {
		var stderr bytes.Buffer
		cmd := exec.Command(program, append([]string{"inspect", "--format", "raw", "--duration", "1s"}, args...)...)
		cmd.Stdout, cmd.Stderr = terminal, &stderr
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(stderr.String(), "--format raw") {
			t.Errorf("%q: %v: %s", args, err, &stderr)
		}
	}
}

// openTerminal returns a terminal and its other side.
func openTerminal(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, terminal, err := pty.Open()
	must(t, err)
	return master, terminal
}

// TestInspectClosedPipe: ktlstop inspect | head -1 ends silently.
func TestInspectClosedPipe(t *testing.T) {
	onOneKernel(t)
	r, pw, err := os.Pipe()
	must(t, err)
	cmd := exec.Command(program, "inspect", "--duration", "24h")
	cmd.Stdout = pw
	must(t, cmd.Start())
	pw.Close()
	defer keepTalking(t)()
	_, err = io.ReadFull(r, make([]byte, 1))
	must(t, err)
	r.Close()
	waitFor(t, cmd)
}

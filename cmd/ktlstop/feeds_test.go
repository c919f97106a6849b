package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/sink/schematest"
)

// feedServer is a host that reports what was recorded, and goes on.
func feedServer(t *testing.T, name string) *httptest.Server {
	t.Helper()
	events, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	events = events[:bytes.LastIndex(events, []byte(`{"v":1,"type":"summary"`))]
	hello := fmt.Sprintf(`{"v":1,"type":"host","ts":"2026-11-22T18:10:00Z","mono_ns":1000,"host":%q,"state":"here","kernel":"6.12","version":"0.9","filter":"","tier":"none","missing_hooks":[]}`+"\n", name)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && user+":"+password != "me:secret" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = w.Write([]byte(hello))
		_, _ = w.Write(events)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	return s
}

func TestTraceReadsAHost(t *testing.T) {
	s := feedServer(t, "web1")
	user := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(user, []byte("me:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, "trace", "-o", "json", "--read", s.URL, "--read-user-file", user, "-c", "100")
	if err != nil {
		t.Fatal(err)
	}
	schematest.ValidateAll(t, []byte(out))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.Contains(lines[0], `"type":"host"`) || !strings.Contains(lines[len(lines)-1], `"type":"summary"`) ||
		strings.Count(out, `"type":"record"`) != 100 || strings.Count(out, `"host":`) != 1 {
		t.Errorf("from %s to %s", lines[0], lines[len(lines)-1])
	}
}

// TestTraceReadsByTLS, as docs/fleet-view.md says how: whose certificate is not known, and
// who wants another user, is not read.
func TestTraceReadsByTLS(t *testing.T) {
	plain := feedServer(t, "web1")
	s := httptest.NewTLSServer(plain.Config.Handler)
	defer s.Close()
	dir := t.TempDir()
	ca, user := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "user")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := errors.Join(os.WriteFile(ca, block, 0o600), os.WriteFile(user, []byte("me:secret\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	args := []string{"trace", "-o", "json", "-c", "5", "--read", s.URL, "--read-user-file", user}
	if _, stderr, status := ktlstop(t, args...); status != 1 || !strings.Contains(stderr, "certificate") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("an unknown certificate: status %d, %s", status, stderr)
	}
	t.Setenv("SSL_CERT_FILE", ca)
	if stdout, stderr, status := ktlstop(t, args...); status != 0 || strings.Count(stdout, `"type":"record"`) != 5 || strings.Contains(stderr, "others may read") {
		t.Errorf("status %d, %d bytes, %s", status, len(stdout), stderr)
	}
	if err := os.Chmod(user, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := ktlstop(t, args...); status != 0 || !strings.Contains(stderr, "others may read the password in "+user) {
		t.Errorf("a file that others may read: status %d, %s", status, stderr)
	}
	if err := os.WriteFile(user, []byte("me:other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := ktlstop(t, args...); status != 1 || !strings.Contains(stderr, "user or password missing or wrong (--read-user-file FILE)") || strings.Contains(stderr, "other:") {
		t.Errorf("another password: status %d, %s", status, stderr)
	}
}

// TestTraceReadsHosts: each line says whose it is, and what was written reads again.
func TestTraceReadsHosts(t *testing.T) {
	a, b := feedServer(t, "web1"), feedServer(t, "web2")
	recorded, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	more := strconv.Itoa(bytes.Count(recorded, []byte(`"type":"record"`)) + 100) // than one of them has
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if _, err := execute(t, "trace", "-o", "json", "-w", file, "--read", a.URL, "--read", b.URL, "-c", more); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	schematest.ValidateAll(t, text)
	conns := map[string]map[string]bool{}
	for line := range bytes.Lines(text) {
		var l struct {
			Host string
			Sock json.RawMessage
		}
		if err := json.Unmarshal(line, &l); err != nil || l.Host == "" {
			t.Fatalf("%v: no host in %s", err, line)
		}
		if conns[l.Host] == nil {
			conns[l.Host] = map[string]bool{}
		}
		conns[l.Host][string(l.Sock)] = true
	}
	if len(conns["web1"]) < 2 || len(conns["web2"]) < 2 || len(conns) != 2 {
		t.Errorf("hosts and connections: %v", conns)
	}
	again, err := execute(t, "trace", "-o", "json", "--read", file)
	if err != nil || again != string(text) {
		t.Errorf("%v: %d bytes became %d", err, len(text), len(again))
	}
	plain, err := execute(t, "trace", "--read", a.URL, "--read", b.URL, "-c", more)
	if err != nil || strings.Contains(plain, "cost:") || strings.Count(plain, "\nweb1 ") == 0 || strings.Count(plain, "\nweb2 ") == 0 {
		t.Errorf("%v: no hosts in\n%.2000s", err, plain)
	}
}

// TestSnapshotsOfHosts: what the dashboard of several shows, as JSON.
func TestSnapshotsOfHosts(t *testing.T) {
	a := feedServer(t, "web1")
	out, err := execute(t, "-o", "json", "--read", a.URL, "--read", "http://127.0.0.1:1", "--duration", "1s", "--interval", "100ms")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last struct {
		Connections []struct{ Host string }
		Hosts       []struct{ Host string }
		Run         struct {
			Hosts []struct {
				Host, Reason string
				Away         bool
			}
		}
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if len(last.Connections) == 0 || last.Connections[0].Host != "web1" || len(last.Hosts) != 1 {
		t.Errorf("connections %+v, hosts %+v", last.Connections, last.Hosts)
	}
	if h := last.Run.Hosts; len(h) != 2 || h[0].Away || !h[1].Away || h[1].Host != "127.0.0.1:1" || !strings.Contains(h[1].Reason, "refused") {
		t.Errorf("hosts %+v", h)
	}
}

// TestTraceReadsRecordings of several hosts in the order of time.
func TestTraceReadsRecordings(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(dir, "one.jsonl"), filepath.Join(dir, "two.jsonl")
	if err := errors.Join(os.WriteFile(one, b, 0o600), os.WriteFile(two, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, "trace", "-o", "json", "--read", one, "--read", two)
	if err != nil {
		t.Fatal(err)
	}
	schematest.ValidateAll(t, []byte(out))
	ahead, most := 0, 0 // one before two
	for line := range strings.Lines(out) {
		ahead--
		if strings.Contains(line, `"host":"one"`) {
			ahead += 2
		}
		most = max(most, ahead, -ahead)
	}
	if lines := bytes.Count(b, []byte("\n")); ahead != 0 || strings.Count(out, "\n") != 2*lines || most > lines/10 {
		t.Errorf("of %d lines twice came %d; one was ahead by %d at most, and by %d at the end", lines, strings.Count(out, "\n"), most, ahead)
	}
}

func TestReadHostsRefuses(t *testing.T) {
	var usage *usageError
	for _, args := range [][]string{
		{"trace", "--read", "http://h:1", "--read", recording}, {"trace", "--read", "http://"}, {"--read", "http://h:1", "--speed", "2"},
		{"trace", "--read", "http://h:1", "--pid", "3"}, {"trace", "--read", "http://h:1", "--match", "len >"}, {"trace", "--read", recording, "--read-user-file", "x"},
		{"trace", "--read", "http://h:1", "--read", "http://i:1", "-w", "x.pcapng"}, {"--read", "http://h:1", "-o", "text"},
	} {
		if _, err := execute(t, args...); !errors.As(err, &usage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	s := feedServer(t, "web1")
	address := strings.Replace(s.URL, "//", "//me:s3cret@", 1)
	for _, args := range [][]string{{"trace", "--read", address}, {"trace", "--read", "http://127.0.0.1:1"}, {"trace", "--read", s.URL, "--read-user-file", "/nowhere"}} {
		_, err := execute(t, args...)
		if err == nil || errors.As(err, &usage) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

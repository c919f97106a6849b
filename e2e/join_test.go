package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInspectJoin: an nginx passes curl's requests on to another one, both with kernel TLS. The two
// legs are one line of the log: joined by order, and by an id that nginx passes on.
func TestInspectJoin(t *testing.T) {
	onOneKernel(t)
	w := startWebsite(t)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	// TLS 1.2 without resumption, since OpenSSL 3.0 receives TLS 1.3 in user space, and also data
	// that comes right after a client's Finished.
	proxy := startNginxWith(t, dir, fmt.Sprintf(`ssl_conf_command Options KTLS; location /app/ { proxy_pass https://127.0.0.1:%d/;
		proxy_ssl_conf_command Options KTLS; proxy_ssl_protocols TLSv1.2; proxy_ssl_session_reuse off; }`, w.port))
	tr := startCommand(t, "inspect", "--comm", "nginx", "--join", "--format", "log")
	for _, args := range [][]string{nil, {"-H", "X-Request-Id: 9c1e77"}} {
		args = append(args, "-sSkf", "--http1.1", "--tlsv1.2", "--tls-max", "1.2", "-H", "Authorization: Bearer "+secret,
			"-o", filepath.Join(dir, "out"), fmt.Sprintf("https://127.0.0.1:%d/app/file", proxy))
		if b, err := exec.Command(w.curl, args...).CombinedOutput(); err != nil {
			t.Fatalf("curl: %v: %s", err, b)
		}
	}
	tr.wrote()
	if said := tr.stderr.String(); !strings.Contains(said, "lost: nothing\n") {
		t.Errorf("standard error does not say what was lost: %s", said)
	}
	out, err := os.ReadFile(tr.file)
	must(t, err)
	size := len(w.body)
	for about, want := range map[string]string{
		"joined by order": fmt.Sprintf(`"GET 127\.0\.0\.1:%d/app/file HTTP/1\.1" 200 %d \S+ nginx\[\d+\] via 127\.0\.0\.1:%d 200 %d \S+ order added \S+\n`, proxy, size, w.port, size),
		"joined by id":    fmt.Sprintf(`"GET 127\.0\.0\.1:%d/app/file HTTP/1\.1" 200 %d \S+ nginx\[\d+\] via 127\.0\.0\.1:%d 200 %d \S+ id added \S+\n`, proxy, size, w.port, size),
		"as the server":   fmt.Sprintf(`"GET 127\.0\.0\.1:%d/file HTTP/1\.\d" 200 %d \S+ nginx\[\d+\]\n`, w.port, size),
	} {
		want := regexp.MustCompile(want)
		n := len(want.FindAll(out, -1))
		if due := map[bool]int{true: 2, false: 1}[about == "as the server"]; n != due {
			t.Errorf("%s: %d lines, want %d, of %s in\n%s", about, n, due, want, out)
		}
	}
	if other := regexp.MustCompile(`(?m)^[^"]*$`).FindString(strings.TrimSpace(string(out))); other != "" {
		t.Errorf("%q is no request", other)
	}
	if regexp.MustCompile(`(?m)^\S+ > `).Match(out) {
		t.Errorf("an upstream request has a line of its own in\n%s", out)
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNginx traces an nginx that serves a file by SSL_sendfile: curl received the
// content of the worker's records.
func TestNginx(t *testing.T) {
	onEnds(t)
	curl := need(t, "curl")
	dir := t.TempDir()
	body := pattern(123457, 3)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "file"), body, 0o644))
	p := startNginx(t, dir)
	tr := startTracer(t, "-s", "16384", "--comm", "nginx")
	outs := map[string]string{}
	for _, version := range []string{"1.2", "1.3"} {
		out := filepath.Join(dir, "out-"+version)
		cmd := exec.Command(curl, "-sSk", "--http1.1", "-D", out+".head", "-o", out,
			"--tlsv"+version, "--tls-max", version, fmt.Sprintf("https://127.0.0.1:%d/file", p))
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("curl: %v: %s", err, b)
		}
		outs[version] = out
	}
	got := tr.stop()
	got.noLosses(t)
	for version, out := range outs {
		t.Run(version, func(t *testing.T) {
			checkNginx(t, got.filter(func(l *line) bool { return l.TLS.Version == version }), p, version, out, body)
		})
	}
}

func checkNginx(t *testing.T, got trace, server int, version, out string, body []byte) {
	t.Helper()
	head, err := os.ReadFile(out + ".head")
	must(t, err)
	file, err := os.ReadFile(out)
	must(t, err)
	if !bytes.Equal(file, body) {
		t.Fatal("curl got other bytes")
	}
	tx := got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "tx" && l.Sock.LPort == server }).data()
	if !bytes.Equal(tx.payload(), append(head, file...)) {
		t.Errorf("the worker's records hold %d bytes, curl got %d", len(tx.payload()), len(head)+len(file))
	}
	bySendfile := tx.filter(func(l *line) bool { return l.Op == "sendfile" })
	if !bytes.Equal(bySendfile.payload(), body) {
		t.Errorf("%d bytes went out by sendfile, want the body's %d", len(bySendfile.payload()), len(body))
	}
	rx := got.filter(func(l *line) bool { return l.Type == "record" && l.Dir == "rx" }).data()
	request := string(rx.payload())
	// OpenSSL 3.0 receives TLS 1.3 in user space.
	if version == "1.2" && !strings.HasPrefix(request, "GET /file HTTP/1.1\r\n") {
		t.Errorf("request %q", request)
	}
	for i := range tx {
		if tx[i].Comm != "nginx" || tx[i].TLS.Mode != "sw" {
			t.Errorf("record %+v", tx[i])
		}
	}
}

func startNginx(t *testing.T, dir string) (port int) {
	t.Helper()
	return startNginxWith(t, dir, "ssl_conf_command Options KTLS;")
}

// startNginxWith adds lines to the server's configuration, and replaces texts.
func startNginxWith(t *testing.T, dir, besides string, oldnew ...string) (port int) {
	t.Helper()
	nginx := need(t, "nginx")
	cert, key := certificateFiles(t, dir)
	port = freePort(t)
	conf := filepath.Join(dir, "nginx.conf")
	must(t, os.WriteFile(conf, []byte(strings.NewReplacer(oldnew...).Replace(fmt.Sprintf(`
daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr; user root;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f;
	uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	server {
		listen 127.0.0.1:%[2]d ssl http2; root %[1]s; sendfile on;
		ssl_certificate %[3]s; ssl_certificate_key %[4]s;
		ssl_protocols TLSv1.2 TLSv1.3; %[5]s
	}
}`, dir, port, cert, key, besides))), 0o644))
	start(t, exec.Command(nginx, "-c", conf))
	listening(t, port)
	return port
}

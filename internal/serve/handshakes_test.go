package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A configuration that breaks while the server runs is reported once, and so is its mend; what
// strangers send is not.
func TestHandshakes(t *testing.T) {
	config := filepath.Join(t.TempDir(), "web.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const right = "basic_auth_users: {}\n"
	write(right)
	now := time.Unix(0, 0)
	var reported []string
	h := &handshakes{config: config, report: func(s string) { reported = append(reported, s) }, now: func() time.Time { return now }}
	l := h.log()
	fail := func(want int) {
		t.Helper()
		for range 100 {
			l.Printf("http: TLS handshake error from 192.0.2.1:5: \x1b[2J")
		}
		if len(reported) != want {
			t.Fatalf("%d lines, want %d: %q", len(reported), want, reported)
		}
		now = now.Add(recheckInterval)
	}
	fail(0)
	write("tls_server_config: {cert_file: /nowhere/c.pem, key_file: /nowhere/k.pem}\n")
	fail(1)
	fail(1)
	if !strings.Contains(reported[0], "/nowhere/c.pem") || strings.Contains(reported[0], "\x1b") {
		t.Errorf("%q", reported[0])
	}
	write(right)
	fail(2)
	if !strings.Contains(reported[1], "again") {
		t.Errorf("%q", reported[1])
	}
}

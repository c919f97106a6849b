package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ktlstop/ktlstop/internal/readme"
)

// TestManual runs the command lines of ktlstop in the sh blocks of README.md and the pages of docs,
// beside traffic of an nginx. With each change it runs README.md's and enough others to run each
// command and flag once, before a release all.
func TestManual(t *testing.T) {
	onlyOn(t, "7.3")
	m := newManual(t)
	lines := manualLines(t)
	if len(lines) < 20 {
		t.Errorf("%d command lines: are they all found?", len(lines))
	}
	for _, c := range lines {
		t.Run(c.Where, func(t *testing.T) {
			t.Parallel()
			if err := m.run(c); err != nil {
				t.Errorf("%s: %v", c.Text, err)
			}
		})
	}
}

// manual is the environment of the command lines.
type manual struct {
	t   *testing.T
	dir string
	one map[string]*sync.Mutex // only one of these commands can run at a time: it has a port or an interface
}

func newManual(t *testing.T) *manual {
	t.Helper()
	m := &manual{t: t, dir: t.TempDir(), one: map[string]*sync.Mutex{"serve": new(sync.Mutex), "tap": new(sync.Mutex)}}
	for _, name := range []string{"bin", "docs"} {
		is, err := filepath.Abs("../" + name)
		must(t, err)
		must(t, os.Symlink(is, filepath.Join(m.dir, name)))
	}
	recording, err := os.ReadFile("../docs/picture/recording.jsonl")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(m.dir, "events.jsonl"), recording, 0o600))
	for _, made := range []string{"/etc/ktlstop", "/var/log/ktlstop"} { // which documents tell the reader to make
		must(t, os.MkdirAll(made, 0o755))
	}
	const users = "basic_auth_users:\n  me: $2y$10$CwTycUXWue0Thq9StjUM0uJ8.5q0y5Yj3JwGm1xZzE1nqW0gkz7yK\n" // of a password that nobody needs
	must(t, os.WriteFile("/etc/ktlstop/web.yml", []byte(users), 0o600))
	m.traffic()
	return m
}

// traffic makes an nginx with kernel TLS serve port 443, and a client request it twice a second
// until the test ends.
func (m *manual) traffic() {
	m.t.Helper()
	startNginxWith(m.t, m.dir, "ssl_conf_command Options KTLS;", "ssl http2;", "ssl; listen 127.0.0.1:443 ssl;")
	must(m.t, os.WriteFile(filepath.Join(m.dir, "page"), make([]byte, 5000), 0o644))
	start(m.t, exec.Command(need(m.t, "curl"), "-sk", "--http1.1", "--tlsv1.2", "--tls-max", "1.2", "--rate", "120/m",
		"-o", "/dev/null", "https://127.0.0.1/page?[1-100000]"))
}

// run runs a command line until it has shown its output, and returns what was wrong.
func (m *manual) run(c readme.Command) error {
	if one := m.one[subcommand(c)]; one != nil {
		one.Lock()
		defer one.Unlock()
	}
	r, err := m.start(c)
	if err != nil {
		return err
	}
	defer r.kill()
	if !endsItself(c) {
		if err := r.see(); err != nil {
			return err
		}
		if err := r.interrupt(); err != nil {
			return err
		}
	}
	return r.wait(c)
}

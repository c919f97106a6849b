package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ktlstop/ktlstop/internal/metrics"
)

// TestDefaultGroups: a host's groups are units, a node's pods, and all are labels that
// there are.
func TestDefaultGroups(t *testing.T) {
	for kubernetes, want := range map[string]string{"": "comm unit", "10.0.0.1": "namespace pod container comm"} {
		t.Setenv("KUBERNETES_SERVICE_HOST", kubernetes)
		got := defaultGroups()
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: grouped by %q, want %s", kubernetes, got, want)
		}
		if err := metrics.CheckGroupBy(got); err != nil {
			t.Error(err)
		}
	}
}

// TestServeAddressInUse: an address that is taken is reported in one line, before anything is
// attached.
func TestServeAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stdout, stderr, status := ktlstop(t, "serve", "--web.listen-address", l.Addr().String())
	if want := "ktlstop: listen on " + l.Addr().String() + ": address already in use\n"; status != 1 || stdout != "" || stderr != want {
		t.Errorf("status %d, %q, %q, want %q", status, stdout, stderr, want)
	}
}

// TestServeSaysThatItIsReady: where it listens, who may ask, and where what it sees goes.
func TestServeSaysThatItIsReady(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(config, []byte("basic_auth_users:\n  me: $2y$10$CwTycUXWue0Thq9StjUM0uJ8.5q0y5Yj3JwGm1xZzE1nqW0gkz7yK\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := new(serving)
	if got, want := s.readyText([]net.Listener{l}), "ready on "+l.Addr().String()+" (without TLS, without users)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.listen.ConfigFile, s.keep.dir = config, "/var/lib/ktlstop"
	if got, want := s.readyText([]net.Listener{l, l}), "ready on "+l.Addr().String()+", "+l.Addr().String()+" (without TLS, with users); recordings go to /var/lib/ktlstop"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestServeSharesNames: both sessions know the names of one kubelet, which is asked once.
func TestServeSharesNames(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	s := new(serving)
	cfg, err := s.watching(s.command())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Names == nil || s.events.Names != cfg.Names {
		t.Errorf("metrics have %p, events have %p", cfg.Names, s.events.Names)
	}
}

// TestHostName: in a pod it is the node's.
func TestHostName(t *testing.T) {
	t.Setenv("NODE_NAME", "node7")
	if got := hostName(); got != "node7" {
		t.Errorf("in a pod it is %q", got)
	}
	t.Setenv("NODE_NAME", "")
	if want, _ := os.Hostname(); hostName() != want {
		t.Errorf("elsewhere it is %q, want %q", hostName(), want)
	}
}

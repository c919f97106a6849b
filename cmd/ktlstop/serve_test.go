package main

import (
	"os"
	"testing"
)

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

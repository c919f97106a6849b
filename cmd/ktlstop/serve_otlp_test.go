package main

import (
	"strings"
	"testing"
)

// What is wrong with the environment of OTLP is said before anything is attached, without the
// values, whether this build has OTLP or not.
func TestServeWrongEnvironment(t *testing.T) {
	for _, value := range []string{"secret:4318", "grpc://secret", "http://me:secret@h"} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", value)
		stdout, stderr, status := ktlstop(t, "serve")
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "ktlstop: OTEL_EXPORTER_OTLP_ENDPOINT") || strings.Contains(stderr, "secret") || strings.Count(stderr, "\n") != 2 {
			t.Errorf("%s: status %d, stdout %q, stderr %q", value, status, stdout, stderr)
		}
	}
}

func TestServeWrongEvents(t *testing.T) {
	for _, kind := range []string{"x", "connections,x\x1b[2J"} {
		if _, stderr, status := ktlstop(t, "serve", "--events", kind); status != 2 || !strings.Contains(stderr, "connections, close_notify") || strings.ContainsRune(stderr, 0x1b) {
			t.Errorf("%q: status %d, stderr %q", kind, status, stderr)
		}
	}
}

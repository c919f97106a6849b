package main

import (
	"strings"
	"testing"
)

// TestNoSockets: with a filter the message is not that there are none at all.
func TestNoSockets(t *testing.T) {
	for filter, want := range map[string]string{"": "no kernel TLS sockets are open", "--port 443": "is one of --port 443"} {
		if got := noSockets(filter); !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", filter, got, want)
		}
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ktlstop/ktlstop/internal/inspect"
)

// TestBanner: it says what the format shows, and of whom.
func TestBanner(t *testing.T) {
	for _, c := range []struct {
		format, want, not string
	}{
		{"text", "the plaintext of the kTLS sockets that match --port 443 --cbpf ..., to 512 bytes a record; masked: nothing", "request"},
		{"log", "this shows one line for each request of the kTLS sockets that match --port 443 --cbpf ...: targets, keys and statements; masked: nothing", "bytes a record"},
	} {
		o := inspection{format: c.format}
		var f pflag.FlagSet
		o.filterFlags(&f)
		o.socketFilterFlags(&f)
		if err := f.Parse([]string{"--port", "443", "--cbpf", "1,6 0 0 1"}); err != nil {
			t.Fatal(err)
		}
		o.snaplen = 512
		if got := o.banner(&f, inspect.NoRules()); !strings.Contains(got, c.want) || strings.Contains(got, c.not) || !strings.Contains(got, "--port 443") {
			t.Errorf("--format %s: %q", c.format, got)
		}
	}
}

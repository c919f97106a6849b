//go:build !nootlp

package main

import (
	"strings"
	"testing"
)

// TestServeSaysWhomItPushesTo, without what else an address may hold.
func TestServeSaysWhomItPushesTo(t *testing.T) {
	if got := pushes(); len(got) != 0 {
		t.Errorf("without a receiver: %q", got)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/x")
	t.Setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs:9428/secret?x=y")
	if got := strings.Join(pushes(), "; "); got != "metrics go to collector:4318; events go to logs:9428" {
		t.Errorf("%q", got)
	}
}

//go:build nootlp

package main

import "os"

// checkPush refuses what this build cannot do.
func checkPush() error {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"} {
		if os.Getenv(name) != "" {
			return usagef("%s is set, and this ktlstop was built without OTLP (tag nootlp)", name)
		}
	}
	return nil
}

func (*serving) push() error { return nil }

func pushes() []string { return nil }

package observe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// collected is what the tests read of a line of the collector's file exporter.
type collected struct {
	ResourceMetrics []struct {
		ScopeMetrics []struct{ Metrics []struct{ Name string } }
	}
	ResourceLogs []struct {
		ScopeLogs []struct {
			LogRecords []struct{ EventName, SeverityText string }
		}
	}
}

// TestCollector pushes to an OpenTelemetry collector, which writes down what it took.
func TestCollector(t *testing.T) {
	binary, err := filepath.Abs("../../bin/collector")
	if err == nil {
		_, err = os.Stat(binary)
	}
	if err != nil {
		t.Skip("no collector: make collector builds it, which takes minutes, and runs this test")
	}
	dir, address := t.TempDir(), freeAddress(t)
	file, config := filepath.Join(dir, "out.json"), filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
receivers: {otlp: {protocols: {http: {endpoint: %q}}}}
exporters: {file: {path: %q, flush_interval: 100ms}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [otlp], exporters: [file]}, logs: {receivers: [otlp], exporters: [file]}}
`, address, file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startProcess(t, exec.Command(binary, "--config", config), address)
	await(t, "the collector listens", func() error {
		_, err := s.try(http.MethodPost, "/v1/logs", "application/json", strings.NewReader("{}"))
		return err
	})
	write(t, push(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": s.url}), unopenable())
	await(t, "metrics and event", func() error {
		names := collectedNames(t, file)
		for _, want := range []string{"ktlstop_records_total", "ktlstop_record_duration_seconds", "ktls.record.error ERROR"} {
			if !slices.Contains(names, want) {
				return fmt.Errorf("no %s in %q", want, names)
			}
		}
		return nil
	})
}

// collectedNames are those of all metrics and events in the file.
func collectedNames(t *testing.T, file string) (names []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b[:bytes.LastIndexByte(b, '\n')+1]) { // the last one may be half written
		var c collected
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, r := range c.ResourceMetrics {
			for _, m := range r.ScopeMetrics[0].Metrics {
				names = append(names, m.Name)
			}
		}
		for _, r := range c.ResourceLogs {
			for _, l := range r.ScopeLogs[0].LogRecords {
				names = append(names, l.EventName+" "+l.SeverityText)
			}
		}
	}
	return names
}

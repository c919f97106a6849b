package otlp

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ktlstop/ktlstop/internal/sink"
)

// collector is a receiver of OTLP that decodes requests. answer, if not nil, is called for
// each request; it returns false if it has responded itself.
type collector struct {
	*httptest.Server
	answer func(w http.ResponseWriter, r *http.Request) (take bool)

	mu      sync.Mutex
	raw     []byte // all bodies, unpacked
	headers []http.Header
	logs    []*logs.ResourceLogs
	metrics []*metrics.ResourceMetrics
}

// patience is how long a test waits for something that must arrive.
const patience = 20 * time.Second

// startCollector starts a receiver, and points the environment to it.
func startCollector(t *testing.T, answer func(http.ResponseWriter, *http.Request) bool) *collector {
	t.Helper()
	c := &collector{answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv(envBatchDelay, "10")
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	if c.answer != nil && !c.answer(w, r) {
		return
	}
	body, err := unpacked(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	c.headers = append(c.headers, r.Header)
	switch r.URL.Path {
	case "/v1/logs":
		var req logs.LogsData // the encoding of ExportLogsServiceRequest
		err = proto.Unmarshal(body, &req)
		c.logs = append(c.logs, req.ResourceLogs...)
	case "/v1/metrics":
		var req metrics.MetricsData // the encoding of ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &req)
		c.metrics = append(c.metrics, req.ResourceMetrics...)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func unpacked(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
		return body, err
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// records returns all log records that arrived.
func (c *collector) records() (all []*logs.LogRecord) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.logs {
		for _, s := range r.ScopeLogs {
			all = append(all, s.LogRecords...)
		}
	}
	return all
}

// named returns the log records of one event.
func (c *collector) named(name string) []*logs.LogRecord {
	return slices.DeleteFunc(c.records(), func(r *logs.LogRecord) bool { return r.EventName != name })
}

// last returns the metrics of the last push, by name.
func (c *collector) last() map[string]*metrics.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.metrics) == 0 {
		return nil
	}
	found := map[string]*metrics.Metric{}
	for _, s := range c.metrics[len(c.metrics)-1].ScopeMetrics {
		for _, m := range s.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// attributesOf converts attributes for comparison.
func attributesOf(kvs []*common.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range kvs {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = v.IntValue
		default:
			m[kv.Key] = kv.Value.String()
		}
	}
	return m
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// reported collects the notices.
type reported struct {
	mu    sync.Mutex
	lines []string
}

func (l *reported) tell(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *reported) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// startPush starts a Push. The clock of events is the wall clock.
func startPush(t *testing.T, cfg Config) (*Push, *reported) {
	t.Helper()
	lines := new(reported)
	cfg.Notice = lines.tell
	cfg.Clock = sink.FixedClock(0)
	if cfg.again == 0 {
		cfg.again = 5 * time.Millisecond
	}
	if cfg.Gatherer == nil {
		t.Setenv(metricsSignal.exporter, "none")
	}
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, lines
}

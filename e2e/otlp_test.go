package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"syscall"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// otlpReceiver receives serve's pushes. While it is away it answers that the client may try
// later.
type otlpReceiver struct {
	*httptest.Server
	mu      sync.Mutex
	away    bool
	refused int // requests while it was away
	raw     []byte
	events  []*logspb.LogRecord
	metrics map[string]*metricspb.Metric // of the last push
}

func startReceiver(t *testing.T) *otlpReceiver {
	t.Helper()
	r := &otlpReceiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Server.Close)
	return r
}

func (r *otlpReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		r.refused++
		http.Error(w, "later", http.StatusServiceUnavailable)
		return
	}
	r.raw = append(r.raw, body...)
	var logs logspb.LogsData
	var metrics metricspb.MetricsData
	switch {
	case err != nil:
	case req.URL.Path == "/v1/logs":
		err = proto.Unmarshal(body, &logs)
	case req.URL.Path == "/v1/metrics":
		err = proto.Unmarshal(body, &metrics)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, res := range logs.ResourceLogs {
		r.events = append(r.events, res.ScopeLogs[0].LogRecords...)
	}
	for _, res := range metrics.ResourceMetrics {
		r.metrics = map[string]*metricspb.Metric{}
		for _, m := range res.ScopeMetrics[0].Metrics {
			r.metrics[m.Name] = m
		}
	}
}

// named are the events of a name with this attribute.
func (r *otlpReceiver) named(name, key, value string) []*logspb.LogRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.events), func(l *logspb.LogRecord) bool {
		return l.EventName != name || attribute(l.Attributes, key) != value
	})
}

func attribute(all []*common.KeyValue, key string) string {
	for _, kv := range all {
		if kv.Key == key {
			return kv.Value.GetStringValue()
		}
	}
	return ""
}

// sum adds up a counter's points of one direction.
func (r *otlpReceiver) sum(name, direction string) (sum float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.metrics[name].GetSum().GetDataPoints() {
		if attribute(p.Attributes, "direction") == direction {
			sum += p.GetAsDouble()
		}
	}
	return sum
}

// refusing says that a request came while it was away.
func (r *otlpReceiver) refusing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused > 0
}

func (r *otlpReceiver) setAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// TestServePushes: metrics and rare events arrive by OTLP, including those of the time when
// the receiver was away, without a byte of plaintext; and the end pushes once more.
func TestServePushes(t *testing.T) {
	onOneKernel(t)
	r := startReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.URL)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
	s := startServe(t, "--events", "connections,close_notify", "--slow", "1ns")
	r.setAway(true)
	gen(t, "--fault", "corrupt", "--rounds", "1")
	s.waitFor(r.refusing)
	r.setAway(false)
	s.waitFor(func() bool {
		return len(r.named("ktls.record.error", "error.type", "EBADMSG")) == 1 && len(r.named("ktls.connection.close", "tls.protocol.version", "1.3")) == 2 &&
			len(r.named("ktls.record.slow", "network.io.direction", "transmit")) > 0
	})
	failed := r.named("ktls.record.error", "error.type", "EBADMSG")[0]
	for key, want := range map[string]string{"network.io.direction": "receive", "thread.name": "ktlstop", "network.peer.address": "127.0.0.1", "ktls.func": "tls_rx_one_record"} {
		if got := attribute(failed.Attributes, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if failed.SeverityNumber != logspb.SeverityNumber_SEVERITY_NUMBER_ERROR || failed.TimeUnixNano == 0 || failed.ObservedTimeUnixNano < failed.TimeUnixNano {
		t.Errorf("%v", failed)
	}
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.wait()
	if tx, errs := r.sum("ktlstop_records_total", "tx"), r.sum("ktlstop_errors_total", "rx"); tx == 0 || errs != 1 {
		t.Errorf("the last push has %v records sent, and %v errors", tx, errs)
	}
	if lost := r.sum("ktlstop_otlp_dropped_total", ""); lost != 0 {
		t.Errorf("%v were dropped", lost)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes.Contains(r.raw, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}) {
		t.Error("the generator's plaintext has left")
	}
}

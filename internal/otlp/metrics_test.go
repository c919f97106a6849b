package otlp

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// created is when the sums of sample began.
var created = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// sample is a collector of one metric of each kind that serve has.
type sample struct{ records, duration, connections, info *prometheus.Desc }

func newSample() *sample {
	labels := []string{"comm", "direction"}
	return &sample{
		records:     prometheus.NewDesc("ktlstop_records_total", "Records.", labels, nil),
		duration:    prometheus.NewDesc("ktlstop_record_duration_seconds", "Time of a record.", labels, nil),
		connections: prometheus.NewDesc("ktlstop_connections", "Connections.", labels, nil),
		info:        prometheus.NewDesc("ktlstop_record_bytes_total", "Bytes.", labels, nil),
	}
}

func (s *sample) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(s, ch) }

func (s *sample) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64) prometheus.Metric {
		m, err := prometheus.NewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, v, created, "nginx", "tx")
		if err != nil {
			panic(err)
		}
		return m
	}
	ch <- counter(s.records, 382)
	ch <- counter(s.info, 1<<20)
	ch <- prometheus.MustNewConstMetric(s.connections, prometheus.GaugeValue, 3, "nginx", "tx")
	h, err := prometheus.NewConstHistogramWithCreatedTimestamp(s.duration, 5, 0.125, map[float64]uint64{2.048e-6: 1, 4.096e-6: 4}, created, "nginx", "tx")
	if err != nil {
		panic(err)
	}
	ch <- h
}

// pushed starts a push of sample and its own losses, and returns the first push.
func pushed(t *testing.T, c *collector) (*Push, map[string]*metrics.Metric) {
	t.Helper()
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
	registry := prometheus.NewRegistry()
	registry.MustRegister(newSample())
	p, _ := startPush(t, Config{Version: "1.2.3", Node: "node-7", Gatherer: registry})
	registry.MustRegister(p)
	eventually(t, "metrics with the losses come", func() bool { return c.last()["ktlstop_otlp_dropped_total"] != nil })
	return p, c.last()
}

func TestMetrics(t *testing.T) {
	c := startCollector(t, nil)
	_, got := pushed(t, c)
	for name, want := range map[string]struct {
		unit  string
		value float64
	}{
		"ktlstop_records_total":      {"", 382},
		"ktlstop_record_bytes_total": {"By", 1 << 20},
	} {
		sum := got[name].GetSum()
		if sum == nil || !sum.IsMonotonic || sum.AggregationTemporality != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
			t.Fatalf("%s is no cumulative, monotonic sum: %v", name, got[name])
		}
		point := sum.DataPoints[0]
		if got[name].Unit != want.unit || point.GetAsDouble() != want.value || point.StartTimeUnixNano != uint64(created.UnixNano()) {
			t.Errorf("%s: %v", name, got[name])
		}
		if attrs := attributesOf(point.Attributes); attrs["comm"] != "nginx" || attrs["direction"] != "tx" || len(attrs) != 2 {
			t.Errorf("%s has the attributes %v", name, attrs)
		}
	}
	if gauge := got["ktlstop_connections"].GetGauge(); gauge == nil || gauge.DataPoints[0].GetAsDouble() != 3 {
		t.Errorf("the gauge: %v", got["ktlstop_connections"])
	}
}

func TestHistogram(t *testing.T) {
	c := startCollector(t, nil)
	_, got := pushed(t, c)
	m := got["ktlstop_record_duration_seconds"]
	if m.GetUnit() != "s" || m.GetHistogram() == nil {
		t.Fatalf("no histogram in seconds: %v", m)
	}
	h := m.GetHistogram().DataPoints[0]
	if !slices.Equal(h.ExplicitBounds, []float64{2.048e-6, 4.096e-6}) || !slices.Equal(h.BucketCounts, []uint64{1, 3, 1}) ||
		h.Count != 5 || h.GetSum() != 0.125 || h.StartTimeUnixNano != uint64(created.UnixNano()) {
		t.Errorf("%v", h)
	}
}

func TestResource(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,k8s.cluster.name=c1")
	c := startCollector(t, nil)
	p, _ := pushed(t, c)
	p.Detached("test", "")
	eventually(t, "an event comes", func() bool { return len(c.records()) > 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	ofMetrics := attributesOf(c.metrics[0].Resource.Attributes)
	for key, want := range map[string]string{
		"service.name": "ktlstop", "service.version": "1.2.3", "k8s.node.name": "node-7",
		"deployment.environment.name": "test", "k8s.cluster.name": "c1",
	} {
		if ofMetrics[key] != want {
			t.Errorf("%s is %v, want %s", key, ofMetrics[key], want)
		}
	}
	for _, key := range []string{"service.instance.id", "host.name"} {
		if ofMetrics[key] == nil || ofMetrics[key] != attributesOf(c.logs[0].Resource.Attributes)[key] {
			t.Errorf("%s is %v of metrics, and %v of events", key, ofMetrics[key], attributesOf(c.logs[0].Resource.Attributes)[key])
		}
	}
}

// The instance is the same after a restart, differs on another host, and is the user's if
// set.
func TestInstance(t *testing.T) {
	id := func() any {
		r, err := newResource("1", "")
		if err != nil {
			t.Fatal(err)
		}
		return attributesOf(r.Attributes)["service.instance.id"]
	}
	if first := id(); first == "" || first != id() {
		t.Errorf("%q, then %q", first, id())
	}
	if instanceOf("a", "x") == instanceOf("a", "y") || instanceOf("a", "x") == instanceOf("b", "x") || instanceOf("", "") == instanceOf("", "") {
		t.Error("two hosts are one instance")
	}
	t.Setenv(envResource, "service.instance.id=mine%2C,")
	if got := id(); got != "mine," {
		t.Errorf("the environment says mine, it is %q", got)
	}
	t.Setenv(envResource, "secret")
	if _, err := newResource("1", ""); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad list: %v", err)
	}
}

func TestLossesLint(t *testing.T) {
	problems, err := testutil.CollectAndLint(new(losses))
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

// The points of a failed push are counted, and the failure is reported.
func TestMetricsRefused(t *testing.T) {
	startCollector(t, func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "not these\x1b[2J", http.StatusBadRequest)
		return false
	})
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
	t.Setenv(logsSignal.exporter, "none")
	registry := prometheus.NewRegistry()
	registry.MustRegister(newSample())
	p, lines := startPush(t, Config{Gatherer: registry})
	eventually(t, "a refused push is counted", func() bool { return p.points.Load() >= 4 })
	if n := p.points.Load(); n%4 != 0 {
		t.Errorf("%d points of pushes of 4", n)
	}
	oneSafeLine(t, lines, "not these")
}

// slowCollector collects when the test lets it.
type slowCollector struct {
	*sample
	may chan struct{}
}

func (c slowCollector) Collect(ch chan<- prometheus.Metric) {
	<-c.may
	c.sample.Collect(ch)
}

// A metric collector that hangs does not delay the end.
func TestCloseWhileGathering(t *testing.T) {
	startCollector(t, nil)
	may := make(chan struct{})
	defer close(may)
	registry := prometheus.NewRegistry()
	registry.Register(slowCollector{newSample(), may})
	p, _ := startPush(t, Config{Gatherer: registry, closeTime: 50 * time.Millisecond})
	begin := time.Now()
	p.Close()
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("the end took %v", took)
	}
}

// The end pushes once more: the counts of a short run are not lost.
func TestLastPush(t *testing.T) {
	c := startCollector(t, nil)
	registry := prometheus.NewRegistry()
	registry.MustRegister(newSample())
	p, _ := startPush(t, Config{Gatherer: registry})
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if c.last()["ktlstop_records_total"] == nil {
		t.Error("no metrics came at the end")
	}
}

// A push that cannot reach the receiver is retried within its time, and nothing is counted.
func TestMetricsAgain(t *testing.T) {
	var requests atomic.Int32
	c := startCollector(t, func(w http.ResponseWriter, _ *http.Request) bool {
		if requests.Add(1) > 2 {
			return true
		}
		http.Error(w, "later", http.StatusServiceUnavailable)
		return false
	})
	p, _ := pushed(t, c)
	if n := p.points.Load(); n != 0 {
		t.Errorf("%d points are counted as lost", n)
	}
}

// Two conflicting metrics: a notice reports them, and the others are pushed.
func TestGatherFails(t *testing.T) {
	c := startCollector(t, nil)
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
	registry := prometheus.NewRegistry()
	registry.MustRegister(newSample(), twice{prometheus.MustNewConstMetric(prometheus.NewDesc("x\x1b", "X.", nil, nil), prometheus.GaugeValue, 1)})
	_, lines := startPush(t, Config{Gatherer: registry})
	eventually(t, "the others come", func() bool { return c.last()["ktlstop_records_total"] != nil })
	oneSafeLine(t, lines, "collected")
}

// twice collects its metric twice, which a registry rejects.
type twice struct{ prometheus.Metric }

func (twice) Describe(chan<- *prometheus.Desc) {}
func (c twice) Collect(ch chan<- prometheus.Metric) {
	ch <- c.Metric
	ch <- c.Metric
}

package otlp

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
)

var (
	began = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	seen  = began.Add(time.Hour)
)

// convert gathers one collector and converts its only metric.
func convert(t *testing.T, c prometheus.Collector) *metrics.Metric {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	conv := conversion{start: began, now: seen}
	m := conv.family(families[0])
	if conv.points != len(families[0].Metric) {
		t.Errorf("%d points are counted, of %d", conv.points, len(families[0].Metric))
	}
	return m
}

// A histogram as programs make it, with a value above the last bound and exemplars.
func TestConvertHistogram(t *testing.T) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x_seconds", Help: "X.", Buckets: []float64{1, 2, 4}})
	for _, v := range []float64{0.5, 1.5, 1.75, 3, 100} {
		h.(prometheus.ExemplarObserver).ObserveWithExemplar(v, prometheus.Labels{"cookie": "7"})
	}
	p := convert(t, h).GetHistogram().DataPoints[0]
	if !slices.Equal(p.ExplicitBounds, []float64{1, 2, 4}) || !slices.Equal(p.BucketCounts, []uint64{1, 2, 1, 1}) || p.Count != 5 || p.GetSum() != 106.75 {
		t.Errorf("%v", p)
	}
	if len(p.Exemplars) != 4 || p.Exemplars[3].GetAsDouble() != 100 || attributesOf(p.Exemplars[3].FilteredAttributes)["cookie"] != "7" {
		t.Errorf("exemplars: %v", p.Exemplars)
	}
}

func TestConvertSummary(t *testing.T) {
	s := prometheus.NewSummary(prometheus.SummaryOpts{Name: "gc_seconds", Help: "X.", Objectives: map[float64]float64{0.5: 0.1}})
	s.Observe(3)
	p := convert(t, s).GetSummary().DataPoints[0]
	if p.Count != 1 || p.Sum != 3 || len(p.QuantileValues) != 1 || p.QuantileValues[0].Quantile != 0.5 || p.QuantileValues[0].Value != 3 || p.TimeUnixNano != nano(seen) {
		t.Errorf("%v", p)
	}
}

// A counter without a start time gets the start of the push; values that are not numbers stay
// so.
func TestConvertNumbers(t *testing.T) {
	desc := prometheus.NewDesc("x", "X.", []string{"who"}, nil)
	p := convert(t, one{prometheus.MustNewConstMetric(desc, prometheus.CounterValue, 5, "a")}).GetSum().DataPoints[0]
	if p.StartTimeUnixNano != nano(began) || p.TimeUnixNano != nano(seen) || p.GetAsDouble() != 5 || attributesOf(p.Attributes)["who"] != "a" {
		t.Errorf("%v", p)
	}
	p = convert(t, one{prometheus.MustNewConstMetric(desc, prometheus.UntypedValue, math.NaN(), "a")}).GetGauge().DataPoints[0]
	if !math.IsNaN(p.GetAsDouble()) || p.StartTimeUnixNano != 0 {
		t.Errorf("%v", p)
	}
}

// one is a collector of one metric.
type one struct{ prometheus.Metric }

func (o one) Describe(chan<- *prometheus.Desc)    {} // unchecked
func (o one) Collect(ch chan<- prometheus.Metric) { ch <- o.Metric }

// A kind that OpenTelemetry lacks is left out, and its points are not counted.
func TestConvertUnknown(t *testing.T) {
	kind := dto.MetricType_GAUGE_HISTOGRAM
	var c conversion
	if m := c.family(&dto.MetricFamily{Type: &kind, Metric: []*dto.Metric{{}}}); m != nil || c.points != 0 {
		t.Errorf("%v, %d points", m, c.points)
	}
}

func TestUnits(t *testing.T) {
	for name, want := range map[string]string{
		"ktlstop_record_duration_seconds": "s", "ktlstop_program_seconds_total": "s", "ktlstop_record_bytes_total": "By",
		"ktlstop_records_total": "", "go_goroutines": "", "seconds": "",
	} {
		if got := unitOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

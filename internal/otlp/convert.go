package otlp

import (
	"math"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// conversion converts Prometheus's metrics to OpenTelemetry's (its specification,
// "Prometheus and OpenMetrics Compatibility"). Names do not change.
type conversion struct {
	// start is the start time of sums that do not have one.
	start, now time.Time
	points     int // how many points were made
}

// family converts all metrics of one name; nil for a kind that OpenTelemetry lacks.
func (c *conversion) family(f *dto.MetricFamily) *metrics.Metric {
	m := &metrics.Metric{Name: f.GetName(), Description: f.GetHelp(), Unit: unitOf(f.GetName())}
	c.points += len(f.Metric)
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		m.Data = &metrics.Metric_Sum{Sum: &metrics.Sum{IsMonotonic: true, AggregationTemporality: cumulative, DataPoints: each(f, c.counter)}}
	case dto.MetricType_GAUGE, dto.MetricType_UNTYPED:
		m.Data = &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: each(f, c.gauge)}}
	case dto.MetricType_HISTOGRAM:
		m.Data = &metrics.Metric_Histogram{Histogram: &metrics.Histogram{AggregationTemporality: cumulative, DataPoints: each(f, c.histogram)}}
	case dto.MetricType_SUMMARY:
		m.Data = &metrics.Metric_Summary{Summary: &metrics.Summary{DataPoints: each(f, c.summary)}}
	default:
		c.points -= len(f.Metric)
		return nil
	}
	return m
}

const cumulative = metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

func each[P any](f *dto.MetricFamily, convert func(*dto.Metric) P) []P {
	points := make([]P, len(f.Metric))
	for i, m := range f.Metric {
		points[i] = convert(m)
	}
	return points
}

// unitOf is the UCUM unit of a metric with such a name in Prometheus; empty for a number.
func unitOf(name string) string {
	name = strings.TrimSuffix(name, "_total")
	switch {
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	case strings.HasSuffix(name, "_bytes"):
		return "By"
	}
	return ""
}

func (c *conversion) counter(m *dto.Metric) *metrics.NumberDataPoint {
	p := c.number(m, m.GetCounter().GetValue())
	p.StartTimeUnixNano = c.since(m.GetCounter().GetCreatedTimestamp())
	p.Exemplars = exemplars(m.GetCounter().GetExemplar())
	return p
}

func (c *conversion) gauge(m *dto.Metric) *metrics.NumberDataPoint {
	if m.Untyped != nil {
		return c.number(m, m.Untyped.GetValue())
	}
	return c.number(m, m.GetGauge().GetValue())
}

func (c *conversion) number(m *dto.Metric, value float64) *metrics.NumberDataPoint {
	return &metrics.NumberDataPoint{Attributes: labels(m.Label), TimeUnixNano: nano(c.now), Value: &metrics.NumberDataPoint_AsDouble{AsDouble: value}}
}

// histogram: OpenTelemetry counts the values of each bucket, Prometheus those up to its
// bound; the last bucket, up to infinity, has no bound.
func (c *conversion) histogram(m *dto.Metric) *metrics.HistogramDataPoint {
	h := m.GetHistogram()
	sum := h.GetSampleSum()
	p := &metrics.HistogramDataPoint{Attributes: labels(m.Label), StartTimeUnixNano: c.since(h.GetCreatedTimestamp()), TimeUnixNano: nano(c.now),
		Count: h.GetSampleCount(), Sum: &sum}
	var before uint64
	for _, b := range h.Bucket {
		p.Exemplars = append(p.Exemplars, exemplars(b.GetExemplar())...)
		if isInf(b.GetUpperBound()) {
			continue
		}
		p.ExplicitBounds = append(p.ExplicitBounds, b.GetUpperBound())
		p.BucketCounts = append(p.BucketCounts, b.GetCumulativeCount()-before)
		before = b.GetCumulativeCount()
	}
	if len(p.ExplicitBounds) > 0 {
		p.BucketCounts = append(p.BucketCounts, h.GetSampleCount()-before)
	}
	return p
}

func (c *conversion) summary(m *dto.Metric) *metrics.SummaryDataPoint {
	s := m.GetSummary()
	p := &metrics.SummaryDataPoint{Attributes: labels(m.Label), StartTimeUnixNano: c.since(s.GetCreatedTimestamp()), TimeUnixNano: nano(c.now),
		Count: s.GetSampleCount(), Sum: s.GetSampleSum()}
	for _, q := range s.Quantile {
		p.QuantileValues = append(p.QuantileValues, &metrics.SummaryDataPoint_ValueAtQuantile{Quantile: q.GetQuantile(), Value: q.GetValue()})
	}
	return p
}

// since is the start time of a sum.
func (c *conversion) since(created *timestamppb.Timestamp) uint64 {
	if created.IsValid() {
		return nano(created.AsTime())
	}
	return nano(c.start)
}

func exemplars(e *dto.Exemplar) []*metrics.Exemplar {
	if e == nil {
		return nil
	}
	return []*metrics.Exemplar{{TimeUnixNano: nano(e.GetTimestamp().AsTime()), FilteredAttributes: labels(e.Label),
		Value: &metrics.Exemplar_AsDouble{AsDouble: e.GetValue()}}}
}

func labels(pairs []*dto.LabelPair) []*common.KeyValue {
	a := make([]*common.KeyValue, len(pairs))
	for i, l := range pairs {
		a[i] = text(l.GetName(), l.GetValue())
	}
	return a
}

func nano(t time.Time) uint64 { return uint64(t.UnixNano()) }

func isInf(f float64) bool { return f > math.MaxFloat64 }

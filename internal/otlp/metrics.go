package otlp

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// startMetrics pushes what from has, each OTEL_METRIC_EXPORT_INTERVAL (60 s). One push
// takes no longer than OTEL_METRIC_EXPORT_TIMEOUT (30 s), retries included.
func startMetrics(ctx context.Context, from prometheus.Gatherer, res *resource.Resource, lost *losses, t *teller) (*sdkmetric.MeterProvider, error) {
	http, err := otlpmetrichttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("push metrics by OTLP: %w", err)
	}
	reader := sdkmetric.NewPeriodicReader(&counted{Exporter: http, lost: lost, teller: t},
		sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(from))))
	return sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader)), nil
}

// counted is an Exporter that counts what did not arrive, and gives metrics the units that
// Prometheus has in their names.
type counted struct {
	sdkmetric.Exporter
	lost   *losses
	teller *teller
}

// Export implements sdkmetric.Exporter. The error has been told when it returns.
func (c *counted) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	points := 0
	for _, scope := range rm.ScopeMetrics {
		for i := range scope.Metrics {
			scope.Metrics[i].Unit = unitOf(scope.Metrics[i].Name)
			points += pointsOf(scope.Metrics[i].Data)
		}
	}
	err := c.Exporter.Export(ctx, rm)
	if err == nil {
		return nil
	}
	if rejected, ok := partial(err); ok {
		points = min(points, rejected)
	}
	c.lost.points.Add(uint64(points))
	c.teller.Handle(err)
	return nil
}

// unitOf is the unit in UCUM of a metric that Prometheus would call so; empty for a number.
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

// pointsOf counts the data points of the kinds that the bridge makes.
func pointsOf(data metricdata.Aggregation) int {
	switch data := data.(type) {
	case metricdata.Gauge[float64]:
		return len(data.DataPoints)
	case metricdata.Sum[float64]:
		return len(data.DataPoints)
	case metricdata.Histogram[float64]:
		return len(data.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return len(data.DataPoints)
	case metricdata.Summary:
		return len(data.DataPoints)
	}
	return 0
}

// partialSuccess is how the exporters say that a receiver took a part only. Their type for
// it is internal; the receiver's own words stand before it.
var partialSuccess = regexp.MustCompile(`(?s)OTLP partial success: .*\((-?\d+) [a-z ]+ rejected\)\s*$`)

// partial says how many of a push were refused, where the others were taken.
func partial(err error) (rejected int, ok bool) {
	m := partialSuccess.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n < 0 {
		n = 0 // a receiver that makes no sense
	}
	return n, true
}

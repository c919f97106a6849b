package otlp

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// losses counts the data that did not reach the receiver, since the start.
type losses struct {
	// points are the data points of failed pushes of metrics; the next push has newer
	// points of the same sums. logs are events that are lost.
	points, logs atomic.Uint64
}

var droppedDesc = prometheus.NewDesc("ktlstop_otlp_dropped_total",
	"Log events (signal=\"logs\") and data points (signal=\"metrics\") that the OTLP receiver did not take, or for which the queue had no room. "+
		"What is missing of metrics is made up by the next push, since they are sums.",
	[]string{"signal"}, nil)

// Describe implements prometheus.Collector.
func (l *losses) Describe(ch chan<- *prometheus.Desc) { ch <- droppedDesc }

// Collect implements prometheus.Collector.
func (l *losses) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(l.logs.Load()), "logs")
	ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(l.points.Load()), "metrics")
}

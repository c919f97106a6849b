package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// stageNames are the stages by direction, see event.Latency.
var stageNames = [2][stages]string{{"queue", "encrypt", "push"}, {"wait", "decrypt", "deliver"}}

// modeNames are the values of the label "mode".
var modeNames = [modes]string{"none", "sw", "hw"}

// Collect implements prometheus.Collector: it returns the state after the last round. Making
// the many metrics takes a while; events wait only until the data is copied.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	faces, ofRun := c.copies()
	for _, m := range ofRun {
		to <- m
	}
	b := builder{families: c.families}
	for i := range faces {
		b.group(&faces[i], &c.cfg)
		for _, m := range b.made {
			to <- m
		}
		b.made = b.made[:0]
	}
}

// copies are the data of all groups, and the few metrics that belong to no group.
func (c *Collector) copies() (faces []scrapeView, ofRun []prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	faces = make([]scrapeView, 0, len(c.groups))
	for _, g := range c.groups {
		faces = append(faces, g.copied())
	}
	b := builder{families: c.families}
	c.runs(&b)
	return faces, b.made
}

// builder makes metrics; created and labels are those of the current group.
type builder struct {
	*families
	made    []prometheus.Metric
	created time.Time
	labels  []string
}

func (b *builder) counter(d *prometheus.Desc, value float64, labels ...string) {
	b.made = append(b.made, prometheus.MustNewConstMetricWithCreatedTimestamp(
		d, prometheus.CounterValue, value, b.created, slices.Concat(b.labels, labels)...))
}

func (b *builder) gauge(d *prometheus.Desc, value float64, labels ...string) {
	b.made = append(b.made, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, slices.Concat(b.labels, labels)...))
}

func (b *builder) histogram(d *prometheus.Desc, h *hist, marks exemplars, labels ...string) {
	m := prometheus.MustNewConstHistogramWithCreatedTimestamp(
		d, h.count(), seconds(h.sum), h.cumulative(), b.created, slices.Concat(b.labels, labels)...)
	if len(marks) > 0 {
		m = prometheus.MustNewMetricWithExemplars(m, marks.list()...)
	}
	b.made = append(b.made, m)
}

func seconds(ns uint64) float64 { return float64(ns) / 1e9 }

// group makes the metrics of one group.
func (b *builder) group(g *scrapeView, cfg *Config) {
	b.created, b.labels = g.created, g.labels
	for d := range event.Dir(2) {
		b.direction(g, d)
		if cfg.Stages {
			b.stages(g, d, cfg.StageHistograms)
		}
	}
	for what, n := range g.counts {
		b.count(what, float64(n))
	}
}

func (b *builder) direction(g *scrapeView, d event.Dir) {
	dir, s := d.String(), &g.shown[d]
	b.counter(b.records, float64(g.data[d]), dir, "data")
	for i, n := range g.types[d] {
		if n > 0 {
			b.counter(b.records, float64(n), dir, typeNames[i])
		}
	}
	b.counter(b.bytes, float64(s.bytes), dir)
	b.histogram(b.duration, &s.lat[total], g.marks[d], dir)
	b.gauge(b.longest, g.longest[d].seconds(), dir)
	b.gauge(b.keyRecords, float64(g.shownKey[d]), dir)
	for i, n := range g.open[d] {
		b.gauge(b.connections, float64(n), dir, modeNames[i])
	}
}

func (b *builder) stages(g *scrapeView, d event.Dir, histograms bool) {
	for i, name := range stageNames[d] {
		h := &g.shown[d].lat[i]
		b.counter(b.stageSeconds, seconds(h.sum), d.String(), name)
		b.counter(b.stageMeasured, float64(h.count()), d.String(), name)
		if histograms {
			b.histogram(b.stageDuration, h, nil, d.String(), name)
		}
	}
}

func (b *builder) count(what count, n float64) {
	switch what.of {
	case opened:
		b.counter(b.opened, n, what.a, what.b)
	case closed:
		b.counter(b.closed, n)
	case keyUpdates:
		b.counter(b.keyUpdates, n, what.a)
	case alerts:
		b.counter(b.alerts, n, what.a, what.b, what.c)
	case failures:
		b.counter(b.errors, n, what.a, what.b, what.c)
	case setupFailed:
		b.counter(b.setupFailures, n, what.a, what.b)
	}
}

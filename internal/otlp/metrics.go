package otlp

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
)

// pusher pushes the metrics of a registry, at each interval and at the end.
type pusher struct {
	client            *client
	gatherer          prometheus.Gatherer
	resource          *resource.Resource
	scope             *common.InstrumentationScope
	lost              *losses
	reporter          *reporter
	interval, timeout time.Duration
	again             time.Duration // like queueConfig.again
	start             time.Time

	closing chan struct{}
	ctx     context.Context // ends when no more may be sent
	stop    context.CancelFunc
	done    chan struct{}
}

// run pushes until closing, and then once more.
func (p *pusher) run() {
	defer close(p.done)
	tick := time.NewTicker(p.interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.push()
		case <-p.closing:
			p.push()
			return
		}
	}
}

// shutdown pushes once more, and gives up when ctx ends. It does not wait for a metric
// collector that hangs.
func (p *pusher) shutdown(ctx context.Context) {
	close(p.closing)
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	p.stop()
}

// push sends the present values, with retries while time remains and the failure may pass.
// It counts points that did not arrive; the next push has newer ones.
func (p *pusher) push() {
	data, points := p.gather()
	if points == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	for pause := p.again; ; pause *= 2 {
		err := p.client.send(ctx, data)
		if err == nil {
			return
		}
		p.reporter.report(err.Error())
		if !passing(err) || !p.pause(ctx, wait(err, pause)) {
			p.lost.points.Add(uint64(undelivered(err, points)))
			return
		}
	}
}

// pause waits before another attempt; false means that none follows.
func (p *pusher) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-p.closing:
	}
	return false
}

func (p *pusher) gather() (data *metrics.MetricsData, points int) {
	families, err := p.gatherer.Gather()
	if err != nil {
		p.reporter.report(err.Error()) // the metrics that could be gathered are returned all the same
	}
	c := conversion{start: p.start, now: time.Now()}
	scope := &metrics.ScopeMetrics{Scope: p.scope}
	for _, f := range families {
		if m := c.family(f); m != nil {
			scope.Metrics = append(scope.Metrics, m)
		}
	}
	return &metrics.MetricsData{ResourceMetrics: []*metrics.ResourceMetrics{{Resource: p.resource, ScopeMetrics: []*metrics.ScopeMetrics{scope}}}}, c.points
}

package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/ktlstop/ktlstop/pkg/event"
)

// scope is who makes the log records, in OpenTelemetry's words.
const scope = "github.com/ktlstop/ktlstop"

// closeTime is how long the end waits for the receiver; graceTime is how much longer it may
// take, since a collector of metrics may be slow.
const (
	closeTime = 4 * time.Second
	graceTime = time.Second
)

// Clock tells wall clock times: sink.Clock.
type Clock interface {
	// Offset is the wall clock minus the monotonic clock, in nanoseconds.
	Offset(mono uint64) int64
}

// Config says what is pushed. Where to, the environment says.
type Config struct {
	// Version is ktlstop's, Node the Kubernetes node's name; where it is empty NODE_NAME
	// says it.
	Version, Node string
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Clock tells the wall clock of events.
	Clock Clock
	// Slow is from when on a record is told as slow, 0 for never.
	Slow time.Duration
	// Connections tells of each connection's beginning and end, CloseNotify of the alerts
	// that end one in good order.
	Connections, CloseNotify bool
	// Tell takes a line for people, without its end, about trouble with the receiver: at
	// most one a minute, from any goroutine. What others wrote is escaped in it.
	Tell func(string)

	// For tests: queueConfig.again and closeTime, where they are not 0.
	again, closeTime time.Duration
}

// Push is what runs: a sink.Sink of the session's events and a prometheus.Collector of its
// own losses. Its methods may be called from any goroutine.
type Push struct {
	*losses
	cfg     Config
	teller  *teller
	metrics *sdkmetric.MeterProvider // nil without metrics
	queue   *queue                   // nil without logs
	events  *events                  // nil without logs
	once    sync.Once
	closed  error
}

// Wanted says whether the environment asks for OTLP. The error is what is wrong with it, in
// a line.
func Wanted() (bool, error) {
	metrics, err := metricsSignal.wanted()
	if err != nil {
		return false, err
	}
	logs, err := logsSignal.wanted()
	return metrics || logs, err
}

// Start begins to push what the environment asks for. It waits for no receiver.
func Start(ctx context.Context, cfg Config) (*Push, error) {
	cfg.again, cfg.closeTime = cmp.Or(cfg.again, time.Second), cmp.Or(cfg.closeTime, closeTime)
	p := &Push{losses: new(losses), cfg: cfg, teller: &teller{out: cfg.Tell, now: time.Now}}
	p.hush()
	metrics, err := metricsSignal.wanted()
	if err != nil {
		return nil, err
	}
	logs, err := logsSignal.wanted()
	if err != nil {
		return nil, err
	}
	res := newResource(ctx, cfg.Version, cfg.Node)
	if logs {
		if err := p.startLogs(ctx, res); err != nil {
			return nil, err
		}
	}
	if metrics {
		if p.metrics, err = startMetrics(ctx, cfg.Gatherer, res, p.losses, p.teller); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	return p, nil
}

// hush makes OpenTelemetry's libraries tell of trouble as p does, and not on standard error.
func (p *Push) hush() {
	otel.SetErrorHandler(p.teller)
	otel.SetLogger(funcr.New(func(_, text string) { p.teller.say(text) }, funcr.Options{}))
}

func (p *Push) startLogs(ctx context.Context, res *resource.Resource) error {
	queued, err := queueFromEnv()
	if err != nil {
		return err
	}
	queued.again = p.cfg.again
	// Without an end of its own: the queue knows when it has no hope any more.
	exporter, err := otlploghttp.New(ctx, otlploghttp.WithRetry(otlploghttp.RetryConfig{
		Enabled: true, InitialInterval: p.cfg.again, MaxInterval: maxAgain}))
	if err != nil {
		return fmt.Errorf("send events by OTLP: %w", err)
	}
	p.queue = newQueue(exporter, queued, p.losses, p.teller)
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(p.queue))
	p.events = newEvents(&p.cfg, provider.Logger(scope, log.WithInstrumentationVersion(p.cfg.Version)), time.Now)
	p.queue.start(p.events.confess)
	return nil
}

// Write implements sink.Sink. It never fails, and never waits.
func (p *Push) Write(ev event.Event) error {
	if p.events == nil {
		return nil
	}
	return p.events.Write(ev)
}

// Flush implements sink.Sink.
func (p *Push) Flush() error {
	if p.events == nil {
		return nil
	}
	return p.events.Flush()
}

// Degraded tells that the trace is not what it should be (is), or is again: reason is a
// word, detail a line for people. It is told where that changes.
func (p *Push) Degraded(reason, detail string, is bool) {
	if p.events != nil {
		p.events.degraded(reason, detail, is)
	}
}

// Detached tells that the hooks are gone, and why.
func (p *Push) Detached(reason, detail string) {
	if p.events != nil {
		p.events.detached(reason, detail)
	}
}

// Close sends what waits, and the metrics once more, in no more than five seconds. The error
// says what was not delivered. It may be called again.
func (p *Push) Close() error {
	p.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.closeTime)
		defer cancel()
		p.closed = p.shutdown(ctx)
	})
	return p.closed
}

// shutdown ends both signals side by side, as the receiver of one may be gone and that of
// the other not.
func (p *Push) shutdown(ctx context.Context) error {
	ends := make(chan error, 2)
	go func() { ends <- p.endMetrics(ctx) }()
	go func() { ends <- p.endLogs(ctx) }()
	late := time.NewTimer(p.cfg.closeTime + graceTime)
	defer late.Stop()
	var errs []error
	for range cap(ends) {
		select {
		case err := <-ends:
			errs = append(errs, err)
		case <-late.C:
			return errors.Join(append(errs, errors.New("OTLP: the last metrics could not be gathered in time"))...)
		}
	}
	return errors.Join(errs...)
}

func (p *Push) endMetrics(ctx context.Context) error {
	if p.metrics == nil {
		return nil
	}
	return p.metrics.Shutdown(ctx)
}

func (p *Push) endLogs(ctx context.Context) error {
	if p.queue == nil {
		return nil
	}
	p.events.end()
	return p.queue.Shutdown(ctx)
}

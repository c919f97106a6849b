package otlp

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/ktlstop/ktlstop/internal/safe"
	"github.com/ktlstop/ktlstop/pkg/event"
)

// scopeName is the instrumentation scope of metrics and events.
const scopeName = "github.com/ktlstop/ktlstop"

// closeTime is how long Close waits for the receiver.
const closeTime = 5 * time.Second

// Clock returns wall clock times: sink.Clock.
type Clock interface {
	// Offset is the wall clock minus the monotonic clock, in nanoseconds.
	Offset(mono uint64) int64
}

// Config says what is pushed. The environment says where to.
type Config struct {
	// Version is ktlstop's version, Node the Kubernetes node's name; if that is empty,
	// NODE_NAME is used.
	Version, Node string
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Clock tells the wall clock of events.
	Clock Clock
	// Slow is the time from which a record is reported as slow, 0 for never.
	Slow time.Duration
	// Connections reports each connection's beginning and end, CloseNotify the alerts that end
	// a connection in good order.
	Connections, CloseNotify bool
	// Notice gets a line for people, without line end, about trouble with the receiver: at
	// most one a minute, from any goroutine. Text from others is escaped in it.
	Notice func(string)

	// For tests: queueConfig.again, a second if 0, and closeTime.
	again, closeTime time.Duration
}

// Push is a running push: a sink.Sink for the session's events and a prometheus.Collector of
// its own losses. Its methods may be called from any goroutine.
type Push struct {
	*losses
	cfg      Config
	reporter *reporter
	resource *resource.Resource
	scope    *common.InstrumentationScope
	metrics  *pusher // nil without metrics
	queue    *queue  // nil without logs
	events   *events // nil without logs
	once     sync.Once
	closed   error
}

// wanted are the settings of the environment: nil for signals that it does not request.
type wanted struct{ metrics, logs *settings }

func fromEnv() (w wanted, err error) {
	if w.metrics, err = metricsSignal.settings(); err != nil {
		return w, err
	}
	w.logs, err = logsSignal.settings()
	return w, err
}

// Wanted reports whether the environment requests OTLP. The error is a line with any fault of
// the environment that Start would find.
func Wanted() (bool, error) {
	w, err := fromEnv()
	if err != nil || w.metrics == nil && w.logs == nil {
		return false, err
	}
	_, queueErr := queueFromEnv()
	_, _, pushErr := pushFromEnv()
	_, resourceErr := resourceFromEnv()
	err = first(queueErr, pushErr, resourceErr, w.metrics.check(), w.logs.check())
	return err == nil, err
}

// Receivers are the hosts that the environment names for metrics and for events, empty if it
// names none. They may contain anything that a URL's host may.
func Receivers() (metrics, logs string) {
	w, err := fromEnv()
	if err != nil {
		return "", ""
	}
	return w.metrics.host(), w.logs.host()
}

func (s *settings) host() string {
	if s == nil {
		return ""
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return u.Host
}

// Start begins to push what the environment requests. It does not wait for a receiver.
func Start(cfg Config) (*Push, error) {
	cfg.again, cfg.closeTime = cmp.Or(cfg.again, time.Second), cmp.Or(cfg.closeTime, closeTime)
	w, err := fromEnv()
	if err != nil {
		return nil, err
	}
	p := &Push{losses: new(losses), cfg: cfg, reporter: &reporter{out: cfg.Notice, now: time.Now},
		scope: &common.InstrumentationScope{Name: scopeName, Version: cfg.Version}}
	if p.resource, err = newResource(cfg.Version, cfg.Node); err != nil {
		return nil, err
	}
	if err := first(p.makeLogs(w.logs), p.makeMetrics(w.metrics)); err != nil {
		return nil, err
	}
	w.warn(cfg.Notice)
	if p.queue != nil {
		go p.queue.run()
	}
	if p.metrics != nil {
		go p.metrics.run()
	}
	return p, nil
}

// warn reports where others on the network can read headers, which are usually credentials;
// once if both signals go to the same host.
func (w *wanted) warn(tell func(string)) {
	hosts := []string{w.metrics.exposed(), w.logs.exposed()}
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		if host != "" {
			tell("OTLP: the headers for " + safe.String(host) + " are not encrypted: use https")
		}
	}
}

func (p *Push) makeLogs(set *settings) error {
	if set == nil {
		return nil
	}
	cfg, err := queueFromEnv()
	if err != nil {
		return err
	}
	client, err := newClient(set, p.cfg.Version)
	if err != nil {
		return err
	}
	cfg.again = p.cfg.again
	p.queue = &queue{cfg: cfg, lost: p.losses, reporter: p.reporter,
		full: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
	p.queue.ctx, p.queue.stop = context.WithCancel(context.Background())
	p.queue.send = func(ctx context.Context, batch []*logs.LogRecord) error { return client.send(ctx, p.wrap(batch)) }
	p.events = newEvents(&p.cfg, p.queue, time.Now)
	p.queue.lossRecord = p.events.undelivered
	return nil
}

func (p *Push) wrap(batch []*logs.LogRecord) *logs.LogsData {
	scope := &logs.ScopeLogs{Scope: p.scope, LogRecords: batch}
	return &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{Resource: p.resource, ScopeLogs: []*logs.ScopeLogs{scope}}}}
}

func (p *Push) makeMetrics(set *settings) error {
	if set == nil {
		return nil
	}
	interval, timeout, err := pushFromEnv()
	if err != nil {
		return err
	}
	client, err := newClient(set, p.cfg.Version)
	if err != nil {
		return err
	}
	p.metrics = &pusher{client: client, gatherer: p.cfg.Gatherer, resource: p.resource, scope: p.scope, lost: p.losses, reporter: p.reporter,
		interval: interval, timeout: timeout, again: p.cfg.again, start: time.Now(), closing: make(chan struct{}), done: make(chan struct{})}
	p.metrics.ctx, p.metrics.stop = context.WithCancel(context.Background())
	return nil
}

// Write implements sink.Sink. It never fails, and never waits.
func (p *Push) Write(ev event.Event) error {
	if p.events != nil {
		p.events.write(ev)
	}
	return nil
}

// Flush implements sink.Sink. It never fails, and never waits.
func (p *Push) Flush() error {
	if p.events != nil {
		p.events.flush()
	}
	return nil
}

// Degraded reports that the trace is incomplete (is), or complete again: reason is a word,
// detail a line for people. It reports changes only.
func (p *Push) Degraded(reason, detail string, is bool) {
	if p.events != nil {
		p.events.degraded(reason, detail, is)
	}
}

// Detached reports that the hooks are gone, and why.
func (p *Push) Detached(reason, detail string) {
	if p.events != nil {
		p.events.detached(reason, detail)
	}
}

// Close sends queued events, and the metrics once more, in no more than five seconds. The
// error is an *UndeliveredError. It may be called again.
func (p *Push) Close() error {
	p.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.closeTime)
		defer cancel()
		p.closed = p.shutdown(ctx)
	})
	return p.closed
}

// shutdown ends both signals concurrently, because the receiver of one may be gone and that of
// the other not.
func (p *Push) shutdown(ctx context.Context) (err error) {
	var both sync.WaitGroup
	if p.metrics != nil {
		both.Go(func() { p.metrics.shutdown(ctx) })
	}
	if p.queue != nil {
		p.events.end()
		err = p.queue.shutdown(ctx)
	}
	both.Wait()
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ktlstop/ktlstop/internal/flight"
	"github.com/ktlstop/ktlstop/internal/metrics"
	"github.com/ktlstop/ktlstop/internal/serve"
	"github.com/ktlstop/ktlstop/internal/session"
	"github.com/ktlstop/ktlstop/pkg/loader"
)

// serving is ktlstop serve: one session whose records the kernel adds up, and what is shown
// and sent of it.
type serving struct {
	options
	listen     serve.Listening
	groupBy    []string
	maxGroups  int
	histograms string
	slow       time.Duration
	tellOf     []string // by OTLP

	// events is the session of who reads events, asks what all of serve looks at.
	events session.Config
	filter string

	collector *metrics.Collector
	registry  *prometheus.Registry
	session   *session.Session
	// recorder is nil without --record; kept is closed when it gets events.
	recorder *flight.Recorder
	kept     chan struct{}
	keepOnce sync.Once
	// sinks get rare events: no record of application data but slow ones. beside runs
	// until its context ends. server has the handlers. extend adds to all three.
	sinks  session.Sinks
	beside []func(context.Context) error
	server *serve.Server
}

func newServe() *cobra.Command { return new(serving).command() }

func (s *serving) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve metrics for Prometheus, and events to other hosts",
		Long: `serve serves metrics for Prometheus at /metrics: connections, records, bytes, times,
alerts, new keys, errors and refused requests for kernel TLS, by groups of
connections. The kernel adds them up, and serve reads the sums once a second, so a
scrape costs the same whatever the number of connections. docs/metrics.md of the
source lists the metrics, and says which of them are estimates.

At /v1/events it reports each record while somebody reads, without plaintext:
ktlstop --read https://HOST:9998 shows these events on another host. /healthz answers
200 while serve reads the sums, and /readyz while the hooks are live.

serve listens on 127.0.0.1:9998. It wants --web.config.file or --web.insecure before
it listens where others reach it.

If OTEL_EXPORTER_OTLP_ENDPOINT names a receiver of OTLP over HTTP, serve pushes the
metrics to it, and errors, alerts, new keys, slow records and losses as log records.

With --record serve is a flight recorder too. That costs a trace of each record.`,
		Example: `  ktlstop serve --slow 100ms            http://127.0.0.1:9998/metrics
  ktlstop serve --web.listen-address :9998 --web.config.file web.yml
  ktlstop serve --group-by comm --max-groups 50
  ktlstop serve --record /var/lib/ktlstop --on 'errno == EBADMSG'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	s.filterFlags(f)
	f.StringSliceVar(&s.listen.Addresses, "web.listen-address", []string{"127.0.0.1:9998"}, "listen here; may be repeated")
	f.StringVar(&s.listen.ConfigFile, "web.config.file", "", "TLS and users, in the form of the web configuration of Prometheus's exporters")
	f.BoolVar(&s.listen.Insecure, "web.insecure", false, "listen where others reach it, without TLS and without users")
	f.StringSliceVar(&s.groupBy, "group-by", defaultGroups(), "sum up the connections that have these labels in common: any of comm, unit, namespace, pod and container")
	f.IntVar(&s.maxGroups, "max-groups", 200, "how many groups there may be, at most 2000; the rest is summed up as other")
	f.StringVar(&s.stages, "stages", "off", "on: also measure the stages of records, for a quarter more of the cost")
	f.StringVar(&s.histograms, "histograms", "", "with --stages on: also show a histogram of each stage")
	f.DurationVar(&s.slow, "slow", 0, "a record that takes at least this time is slow: it becomes an exemplar, and an event of OTLP")
	s.keep.add(f, "--record", defaultKeep)
	f.StringSliceVar(&s.tellOf, "events", nil, "also push these events by OTLP, of which there are many: connections, close_notify")
	f.StringVar(&s.readyFile, "ready-file", "", "create this file when the hooks are live")
	s.names.add(f)
	s.loadFlags(f)
	s.maxCPUFlag(f)
	return cmd
}

// defaultGroups are a host's, or in a pod Kubernetes'.
func defaultGroups() []string {
	if os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return []string{"namespace", "pod", "container", "comm"}
	}
	return []string{"comm", "unit"}
}

// run serves until a signal ends it.
func (s *serving) run(cmd *cobra.Command) error {
	cfg, err := s.watching(cmd)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	if err := s.checkRecord(cmd.Flags()); err != nil {
		return err
	}
	collectOften()
	boundMemory()
	listeners, err := s.listen.Open()
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	if err := s.register(&cfg); err != nil {
		return err
	}
	if s.session, err = openSession(cmd.Context(), cfg); err != nil {
		return err
	}
	defer closeBusy(s.session)
	debug.FreeOSMemory() // the kernel's types, read for the programs, are garbage by now
	s.reportCost()
	s.collector.Begin(s.about())
	s.server = serve.New(serve.Config{Listening: s.listen, Gatherer: s.registry, Alive: s.alive, Ready: s.hooked, Version: version, Notice: notice})
	if err := s.extend(); err != nil {
		return err
	}
	return s.serve(cmd.Context(), listeners)
}

// reportCost says what the session lacks, and where it costs more than it should.
func (s *serving) reportCost() {
	reportMissing(s.session)
	for _, note := range session.InUserSpace(s.expr) {
		notice(note)
	}
	if !s.session.Aggregates() {
		notice("each record comes as an event, since the kernel does not add up here, or not what --match looks at: that costs more")
	}
}

// extend is where what serve has besides metrics is added.
func (s *serving) extend() error {
	s.addFeed()
	return s.push()
}

// eventKinds are what --events knows.
var eventKinds = []string{"connections", "close_notify"}

// wantsEvents reports whether --events asks for a kind.
func (s *serving) wantsEvents(kind string) bool { return slices.Contains(s.tellOf, kind) }

// mostGroups are 70 series each and 10 MB of text together, which take 0.1 s to write.
const mostGroups = 2000

// check says what is wrong with the flags that serve alone has.
func (s *serving) check() error {
	if err := metrics.CheckGroupBy(s.groupBy); err != nil {
		return usagef("--group-by: %w", err)
	}
	for _, kind := range s.tellOf {
		if !slices.Contains(eventKinds, kind) {
			return usagef("--events %s: there are %s", kind, strings.Join(eventKinds, ", "))
		}
	}
	if err := checkPush(); err != nil {
		return err
	}
	switch {
	case s.maxGroups < 1 || s.maxGroups > mostGroups:
		return usagef("--max-groups %d: from 1 to %d", s.maxGroups, mostGroups)
	case s.histograms != "" && s.histograms != "stages":
		return usagef("--histograms %s: stages, or leave it out", s.histograms)
	case s.histograms != "" && s.stages == "off":
		return usagef("--histograms stages: they are measured with --stages on only")
	case s.slow < 0:
		return usagef("--slow %v: not a time", s.slow)
	}
	err := s.listen.Check()
	if errors.Is(err, serve.ErrOpen) {
		return usagef("%w: give --web.config.file, or --web.insecure if that is meant", err)
	}
	if err != nil {
		return &usageError{err}
	}
	return nil
}

// watching is the session of serve: of records that the kernel adds up, or, where an
// expression looks at each of them, that come as events.
func (s *serving) watching(cmd *cobra.Command) (session.Config, error) {
	cfg, err := s.options.session(cmd)
	if err != nil {
		return cfg, err
	}
	s.events = tracing(cfg)
	s.filter = filterText(cmd.Flags())
	cfg.Loader.Aggregate = s.expr == nil
	if cfg.Loader.Aggregate {
		cfg.Loader.Slow = s.slow
	}
	cfg.Loader.Cost = true // now and then, for ktlstop_program_seconds_total
	if s.expr != nil && !cmd.Flags().Changed("stages") {
		s.stages = "on" // an event has them
	}
	return cfg, s.setStages(&cfg)
}

// register makes what is shown.
func (s *serving) register(cfg *session.Config) (err error) {
	s.collector, err = metrics.New(metrics.Config{GroupBy: s.groupBy, MaxGroups: s.maxGroups,
		Stages: s.stages != "off", StageHistograms: s.histograms != "", Slow: s.slow})
	if err != nil {
		return err
	}
	cfg.Sums = s.collector
	s.registry = prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{s.collector, metrics.TLSStat{Path: metrics.TLSStatPath, Since: metrics.Boot()},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := s.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// about is what metrics say of the run.
func (s *serving) about() metrics.Run {
	return metrics.Run{
		Version: version, Revision: readBuild().short(), GoVersion: runtime.Version(),
		Kernel: kernelRelease(), Backend: s.session.Backend(), BTF: s.session.Backend() == loader.BackendEBPF,
		Causes: loader.Causes(), Sums: s.session.Aggregates(),
		About: func() metrics.About {
			cost := s.session.Cost()
			return metrics.About{Missing: s.session.Missing(), Programs: cost.Programs, Over: cost.Over}
		},
	}
}

// stale is how old the last reading of the kernel's sums may be.
const stale = 10 * time.Second

// alive says what is wrong with the run.
func (s *serving) alive() error {
	last := s.collector.LastRound()
	if last.IsZero() {
		return errors.New("the kernel's sums have not been read yet")
	}
	if age := time.Since(last); age > stale {
		return fmt.Errorf("the kernel's sums were last read %v ago", age.Round(time.Second))
	}
	return nil
}

// serve runs the session, the server and what is beside them, each until one of them ends.
func (s *serving) serve(ctx context.Context, listeners []net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := session.Sinks{s.collector, session.Rare{Sink: s.sinks, Slow: s.slow}}
	group.Go(func() error {
		defer cancel()
		return endings.Busy(func() error { return s.session.Run(ctx, out) })
	})
	group.Go(func() error { return s.server.Run(ctx, listeners) })
	for _, beside := range s.beside {
		group.Go(func() error { return beside(ctx) })
	}
	group.Go(func() error { return serve.Notify(ctx, s.alive) })
	s.awaitRecorder(ctx)
	notice(s.readyText(listeners))
	if err := s.ready(); err != nil {
		cancel()
		return errors.Join(err, group.Wait(), endings.Busy(out.Close))
	}
	return errors.Join(group.Wait(), endings.Busy(out.Close)) // what is sent last has its own time
}

// readyText says, when the hooks are live, where it listens and for whom, and where what it
// sees goes.
func (s *serving) readyText(listeners []net.Listener) string {
	addresses := make([]string, len(listeners))
	for i, l := range listeners {
		addresses[i] = l.Addr().String()
	}
	words := append([]string{"ready on " + strings.Join(addresses, ", ") + " (" + s.listen.Protection() + ")"}, pushes()...)
	if s.keep.dir != "" {
		words = append(words, "recordings go to "+s.keep.dir)
	}
	return strings.Join(words, "; ")
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

// What one who asks may take. A handler that streams sets its own deadline for each piece
// that it writes (http.ResponseController).
const (
	headerTime  = 5 * time.Second
	requestTime = 10 * time.Second
	answerTime  = 15 * time.Second
	idleConn    = time.Minute
	headerBytes = 8 << 10
	// streams are the requests at a time of one connection, of HTTP/2.
	streams = 16
	// maxConns are the connections at a time; further ones wait in the kernel.
	maxConns = 512
	// shutdownGrace is what answers in progress have at the end.
	shutdownGrace = 300 * time.Millisecond
)

// Config says what a Server shows.
type Config struct {
	Listening
	// Gatherer has the metrics.
	Gatherer prometheus.Gatherer
	// Alive says what is wrong with the run, Ready why the hooks are not live; nil for
	// nothing. Any goroutine may call them.
	Alive, Ready func() error
	// Version is for the first page.
	Version string
	// Notice is told what goes wrong with the web configuration while the server runs.
	Notice func(string)
}

// Server is an HTTP server that has not begun yet.
type Server struct {
	cfg   Config
	mux   *http.ServeMux
	links []link
}

// link is a line of the first page. What Posts is no link: it is asked by POST alone.
type link struct {
	Path, Text string
	Posts      bool
}

// New returns a Server with /metrics, /healthz, /readyz and a first page.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, mux: http.NewServeMux()}
	s.Handle("/metrics", "metrics", read(newScrapes(cfg.Gatherer, time.Now)))
	s.Handle("/healthz", "health: ok while the run goes on", read(health(cfg.Alive)))
	s.Handle("/readyz", "ready: ok while the hooks are live", read(health(cfg.Ready)))
	s.mux.Handle("/{$}", read(http.HandlerFunc(s.first)))
	return s
}

// Handle mounts a handler, before Run, and says on the first page what is there. path is
// as for http.ServeMux, without a method.
func (s *Server) Handle(path, text string, h http.Handler) {
	s.mux.Handle(path, h)
	s.links = append(s.links, link{Path: path, Text: text})
}

// HandlePost is Handle for what is asked by POST.
func (s *Server) HandlePost(path, text string, h http.Handler) {
	s.mux.Handle(path, h)
	s.links = append(s.links, link{path, text, true})
}

// read refuses what is not meant to read.
func read(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this is read by GET", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Run answers on the listeners, which it closes, until ctx ends. Then answers in progress
// have a moment.
func (s *Server) Run(ctx context.Context, listeners []net.Listener) error {
	var group errgroup.Group
	for _, l := range listeners {
		server := s.server(l.Addr())
		stop := context.AfterFunc(ctx, func() { shut(server) })
		group.Go(func() error {
			defer stop()
			l = netutil.LimitListener(l, maxConns)
			defer l.Close()
			err := web.Serve(l, server, &web.FlagConfig{WebConfigFile: &s.cfg.ConfigFile}, slog.New(&notices{report: s.cfg.Notice, now: time.Now}))
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// server is one for one listener: exporter-toolkit changes it.
func (s *Server) server(at net.Addr) *http.Server {
	return &http.Server{
		Handler: s.cfg.guard(at, s.cfg.ownNames(at, s.mux)), ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime,
		IdleTimeout: idleConn, MaxHeaderBytes: headerBytes, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streams},
		ErrorLog: (&handshakes{config: s.cfg.ConfigFile, report: s.cfg.Notice, now: time.Now}).log(),
	}
}

// shut ends a server.
func shut(s *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		s.Close()
	}
}

// health answers ok, or 503 with what is wrong.
func health(check func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
}

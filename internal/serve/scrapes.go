package serve

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
)

// fresh is for how long one answer is everybody's: the sums are read once a second.
const fresh = 500 * time.Millisecond

// scrapes answers with metrics. Answers are made once for all who ask at the same time, in
// each of the few forms that there are, and are whole before the first byte is sent: however
// many ask and however slowly they read, little is made and little is kept.
type scrapes struct {
	make http.Handler
	now  func() time.Time
	mu   sync.Mutex
	made map[form]*answer
}

// form is how metrics are written.
type form struct {
	format expfmt.FormatType
	gzip   bool
}

// accepts are the formats, as one asks for them. Their names have no letters that would
// have to be escaped.
var accepts = map[expfmt.FormatType]string{
	expfmt.TypeTextPlain:   "text/plain;version=0.0.4",
	expfmt.TypeOpenMetrics: "application/openmetrics-text;version=1.0.0",
	expfmt.TypeProtoDelim:  string(expfmt.NewFormat(expfmt.TypeProtoDelim)),
}

// answer is one in progress, or made: once is closed then.
type answer struct {
	once sync.Once
	at   time.Time
	head http.Header
	body bytes.Buffer
	code int
	// whole says that nothing is missing; read behind once.
	whole bool
}

func newScrapes(g prometheus.Gatherer, now func() time.Time) *scrapes {
	return &scrapes{now: now, made: map[form]*answer{}, make: promhttp.HandlerFor(g, promhttp.HandlerOpts{
		// Without _created lines: Prometheus stores those as series of their own. Where it
		// wants the times it asks for protobuf, which has them.
		EnableOpenMetrics: true,
	})}
}

// ServeHTTP implements http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := formOf(r.Header)
	a := s.answer(f)
	a.once.Do(func() {
		s.make.ServeHTTP(a, f.request())
		a.whole = true
	})
	if !a.whole { // making it ended in a panic, of which one who asked hears
		http.Error(w, "the metrics could not be made", http.StatusInternalServerError)
		return
	}
	for k, v := range a.head {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body.Bytes())
}

// answer is the one of a form that is fresh, or a new one.
func (s *scrapes) answer(f form) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	a := s.made[f]
	if a == nil || now.Sub(a.at) >= fresh {
		a = &answer{at: now, head: http.Header{}, code: http.StatusOK}
		s.made[f] = a
	}
	return a
}

// formOf is what a request asks for.
func formOf(h http.Header) form {
	f := form{format: expfmt.NegotiateIncludingOpenMetrics(h).FormatType()}
	if accepts[f.format] == "" {
		f.format = expfmt.TypeTextPlain
	}
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(coding), ";")
		f.gzip = f.gzip || name == "gzip" && strings.ReplaceAll(quality, " ", "") != "q=0"
	}
	return f
}

// request asks for a form in the one way in which its answer is made.
func (f form) request() *http.Request {
	r, _ := http.NewRequest(http.MethodGet, "/metrics", nil) // the words are right
	r.Header.Set("Accept", accepts[f.format])
	r.Header.Set("Accept-Encoding", "identity")
	if f.gzip {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return r
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.head }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// running is a Server on an address of its own.
type running struct {
	t     testing.TB
	url   string
	addr  string
	sick  atomic.Pointer[string]
	asked atomic.Int64 // how often metrics were gathered
	wide  atomic.Int64 // how many series there are
	said  func() string
}

func start(t testing.TB, configFile string) *running {
	return startAt(t, "127.0.0.1:0", Listening{ConfigFile: configFile})
}

func startAt(t testing.TB, address string, listening Listening) *running {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	at := fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port)
	r := &running{t: t, addr: at, url: "http://" + at}
	r.wide.Store(1)
	reg := prometheus.NewRegistry()
	reg.MustRegister(r)
	var mu sync.Mutex
	var said []string
	r.said = func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(said, "\n") }
	check := func() error {
		if s := r.sick.Load(); s != nil {
			return errors.New(*s)
		}
		return nil
	}
	s := New(Config{Listening: listening, Gatherer: reg, Alive: check, Ready: check, Version: "1<2",
		Notice: func(text string) { mu.Lock(); defer mu.Unlock(); said = append(said, text) }})
	s.Handle("/v1/more", "more & more", http.NotFoundHandler())
	s.HandlePost("/v1/do", "POST: does it", http.NotFoundHandler())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, []net.Listener{l}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	return r
}

var desc = prometheus.NewDesc("test_value", "A value.", []string{"n"}, nil)

// Describe implements prometheus.Collector.
func (r *running) Describe(to chan<- *prometheus.Desc) { to <- desc }

// Collect implements prometheus.Collector.
func (r *running) Collect(to chan<- prometheus.Metric) {
	r.asked.Add(1)
	for i := range r.wide.Load() {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, fmt.Sprint(i))
	}
}

func (r *running) get(path string, head ...string) (status int, header http.Header, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		req.Header.Set(head[i], head[i+1])
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// TestPages: what there is, and what is not.
func TestPages(t *testing.T) {
	r := start(t, "")
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/metrics", 200, "test_value{n=\"0\"} 1\n"}, {"/healthz", 200, "ok\n"}, {"/readyz", 200, "ok\n"},
		{"/", 200, "<h1>ktlstop 1&lt;2</h1>"}, {"/", 200, `<a href="/v1/more">/v1/more</a> more &amp; more`}, {"/v1/more", 404, ""},
		{"/", 200, "<li><code>/v1/do</code> POST: does it</li>"},
		{"/nothing", 404, ""}, {"/debug/requests", 404, ""}, {"/debug/pprof/", 404, ""},
	} {
		if status, _, body := r.get(c.path); status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %q", c.path, status, body)
		}
	}
	sick := "nothing was read for 11s"
	r.sick.Store(&sick)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _, body := r.get(path); status != 503 || body != sick+"\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
}

// TestForms: each scraper gets a form that it knows.
func TestForms(t *testing.T) {
	r := start(t, "")
	for _, c := range []struct{ accept, encoding, form, coding, ends string }{
		{"", "", "text/plain", "", "\n"},
		{"*/*", "identity", "text/plain", "", "\n"},
		{"text/html", "gzip;q=0", "text/plain", "", "\n"},
		{"application/openmetrics-text;version=1.0.0", "", "application/openmetrics-text", "", "# EOF\n"},
		{"application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "br, gzip", "application/openmetrics-text", "gzip", ""},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "", "application/vnd.google.protobuf", "", ""},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text", "", "text/plain", "", "\n"},
	} {
		status, header, body := r.get("/metrics", "Accept", c.accept, "Accept-Encoding", c.encoding)
		if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), c.form) || header.Get("Content-Encoding") != c.coding ||
			!strings.HasSuffix(body, c.ends) || body == "" {
			t.Errorf("%q, %q: %d %v %q", c.accept, c.encoding, status, header, body)
		}
	}
}

// TestOneAnswerForAll: whoever asks at the same time gets the same answer, which is made
// once.
func TestOneAnswerForAll(t *testing.T) {
	now := time.Unix(1000, 0)
	r := &running{}
	r.wide.Store(1)
	reg := prometheus.NewRegistry()
	reg.MustRegister(r)
	s := newScrapes(reg, func() time.Time { return now })
	s.answer(form{})
	if s.answer(form{}) != s.answer(form{}) || s.answer(form{}) == s.answer(form{gzip: true}) {
		t.Error("answers are not shared by form")
	}
	before := s.answer(form{})
	now = now.Add(fresh)
	if s.answer(form{}) == before {
		t.Error("an old answer is given again")
	}
}

// TestNoCreatedLines: in text the times of creation would be series of their own.
func TestNoCreatedLines(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "test_total", Help: "A counter."}))
	s := newScrapes(reg, time.Now)
	for _, accept := range accepts {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header.Set("Accept", accept)
		s.ServeHTTP(w, r)
		if body := w.Body.String(); strings.Contains(body, "_created") || !strings.Contains(body, "test_total") {
			t.Errorf("%s: %q", accept, body)
		}
	}
}

// raw sends bytes and returns what comes back until the server is done with it.
func (r *running) raw(request string) string {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, request) // which the server may not take
	b, _ := io.ReadAll(c)         // it may also be a reset
	return string(b)
}

// TestHugeHeaders are refused before they are read.
func TestHugeHeaders(t *testing.T) {
	r := start(t, "")
	huge := strings.Repeat("x", 1<<20)
	for _, request := range []string{
		"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + huge + "\r\n\r\n",
		"GET /" + huge + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("Accept: "+huge[:100]+"\r\n", 10_000) + "\r\n",
	} {
		if answer := r.raw(request); answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 431") {
			t.Errorf("%.80q", answer)
		}
	}
	if status, _, _ := r.get("/metrics"); status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestThousandClients: many who ask, and many who ask and do not read, leave room for one
// who does, and what they cost is bounded.
func TestThousandClients(t *testing.T) {
	r := start(t, "")
	r.wide.Store(50_000) // more than a socket takes
	before := runtime.NumGoroutine()
	var clients []net.Conn
	for range 1000 {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	first := bufio.NewReader(clients[0]) // who began to read is not served before another
	if line, err := first.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 200") {
		t.Fatalf("%q, %v", line, err)
	}
	if n := runtime.NumGoroutine() - before; n > 2*maxConns+20 {
		t.Errorf("%d goroutines", n)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	t.Logf("%d clients: metrics made %d times, %d MB in use", len(clients), r.asked.Load(), m.HeapAlloc>>20)
	if m.HeapAlloc > 256<<20 {
		t.Errorf("%d MB in use", m.HeapAlloc>>20)
	}
	for _, c := range clients {
		c.Close()
	}
	if status, _, _ := r.get("/healthz"); status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestScrapePanics: who asks for what another's request has failed to make gets no empty
// answer that looks like one without series.
func TestScrapePanics(t *testing.T) {
	s := newScrapes(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("of a collector") }), time.Now)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nobody gets the error")
			}
		}()
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || w.Body.Len() == 0 {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// TestOnlyReads: what changes nothing is not asked to.
func TestOnlyReads(t *testing.T) {
	r := start(t, "")
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/"} {
		for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405} {
			req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want || want == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, %v", method, path, resp.StatusCode, resp.Header)
			}
		}
	}
}

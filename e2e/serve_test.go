package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	names "github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// served is a running ktlstop serve.
type served struct {
	*tracer
	url string
}

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close()) // no other process in the guest would use it
	cmd := exec.Command(program, append([]string{"serve", "--web.listen-address", addr}, args...)...)
	return &served{(&tracer{t: t, cmd: cmd}).start(), "http://" + addr}
}

func (s *served) get(path, accept string) (status int, body string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	must(s.t, err)
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	must(s.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(s.t, err)
	return res.StatusCode, string(b)
}

// metrics are the metrics of one scrape.
type metrics map[string]*dto.MetricFamily

func (s *served) scrape() metrics {
	s.t.Helper()
	status, body := s.get("/metrics", "")
	parser := expfmt.NewTextParser(names.UTF8Validation)
	m, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if status != http.StatusOK || err != nil {
		s.t.Fatalf("status %d, %v", status, err)
	}
	return m
}

// sum adds up the series of a name with these labels, given as name and value in turn.
func (m metrics) sum(name string, labels ...string) (sum float64) {
	for _, series := range m["ktlstop_"+name].GetMetric() {
		has := map[string]string{}
		for _, l := range series.Label {
			has[l.GetName()] = l.GetValue()
		}
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && has[labels[i]] == labels[i+1]
		}
		if matches {
			sum += series.GetCounter().GetValue() + series.GetGauge().GetValue() + float64(series.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// recordTypes are the values of the label "type", by the generator's names.
var recordTypes = map[string]string{"application_data": "data", "alert": "alert", "handshake": "handshake"}

// want are the series for the records that a generator has sent, and the other end
// received.
func (r *genReport) want() map[string]float64 {
	want := map[string]float64{}
	for _, e := range r.Connections {
		want["bytes"] += float64(e.Sent.Bytes)
		for typ, n := range e.Sent.Types {
			want[recordTypes[typ]] += float64(n)
		}
	}
	return want
}

// TestServe: the scraped counts match the records sent and received exactly; failures are
// counted by kind; and the module stays loaded during the trace.
func TestServe(t *testing.T) {
	onOneKernel(t)
	s := startServe(t, "--stages", "on", "--slow", "1ns")
	r := gen(t, "-n", "2", "-s", "1..20000", "--rounds", "10", "--seed", "3", "--alert-every", "4")
	want := r.want()
	var m metrics
	s.waitFor(func() bool { // for the round that has read the last of them
		m = s.scrape()
		return m.sum("connections_closed_total") == float64(len(r.Connections)) &&
			m.sum("record_bytes_total", "direction", "rx") == want["bytes"]
	})
	for _, dir := range []string{"tx", "rx"} {
		for _, typ := range recordTypes {
			if got := m.sum("records_total", "comm", "ktlstop", "direction", dir, "type", typ); got != want[typ] {
				t.Errorf("%s %s: %v records, want %v", dir, typ, got, want[typ])
			}
		}
		if got := m.sum("record_bytes_total", "comm", "ktlstop", "direction", dir); got != want["bytes"] {
			t.Errorf("%s: %v bytes, want %v", dir, got, want["bytes"])
		}
		if got, all := m.sum("record_duration_seconds", "direction", dir), want["data"]+want["alert"]; got < all/2 || got > all {
			t.Errorf("%s: the times of %v records of %v", dir, got, all)
		}
		if m.sum("alerts_total", "direction", dir, "level", "warning", "description", "close_notify") != float64(len(r.Connections)) {
			t.Errorf("%s: alerts %v", dir, m["ktlstop_alerts_total"])
		}
	}
	if m.sum("connections") != 0 || m.sum("connections_opened_total", "version", "1.3") != float64(len(r.Connections)) || m.sum("lost_total")-m.sum("lost_total", "cause", "slow_limit") != 0 {
		t.Errorf("%v open, %v opened, %v lost", m.sum("connections"), m["ktlstop_connections_opened_total"], m["ktlstop_lost_total"])
	}
	if _, body := s.get("/metrics", "application/openmetrics-text;version=1.0.0"); !strings.Contains(body, `# {cookie="`) {
		t.Error("no slow record is an exemplar")
	}
	s.failures()
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := s.get(path, ""); status != http.StatusOK || body != "ok\n" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	// A kernel with TLS built in has no module, and no error of this kind.
	if err := unix.DeleteModule("tls", unix.O_NONBLOCK); !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EBUSY) {
		t.Errorf("the module goes while its functions are traced: %v", err)
	}
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	s.wait()
}

// failures are a record that cannot be opened, and a socket that cannot have kernel TLS.
func (s *served) failures() {
	s.t.Helper()
	gen(s.t, "--fault", "corrupt", "--rounds", "1")
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(s.t, err)
	defer unix.Close(fd)
	if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls"); !errors.Is(err, unix.ENOTCONN) {
		s.t.Fatalf("an unconnected socket: %v", err)
	}
	var m metrics
	s.waitFor(func() bool {
		m = s.scrape()
		return m.sum("errors_total", "direction", "rx", "errno", "EBADMSG") == 1 && m.sum("setup_failures_total", "step", "ulp", "errno", "ENOTCONN") == 1
	})
	if m.sum("errors_total") != 1 || m.sum("setup_failures_total") != 1 {
		s.t.Error(fmt.Sprint(m["ktlstop_errors_total"], m["ktlstop_setup_failures_total"]))
	}
}

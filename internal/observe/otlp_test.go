package observe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	serve "github.com/ktlstop/ktlstop/internal/metrics"
	"github.com/ktlstop/ktlstop/internal/otlp"
	"github.com/ktlstop/ktlstop/pkg/event"
)

const sent, unopened = 382, 3

// counted is serve's registry after a second in which nginx has sent some records and received some that do not open.
func counted(t *testing.T) *prometheus.Registry {
	t.Helper()
	c, err := serve.New(serve.Config{GroupBy: []string{"comm", "unit"}, MaxGroups: 10})
	if err != nil {
		t.Fatal(err)
	}
	c.Begin(serve.Run{Version: "test", Sums: true, Causes: []string{"ring_full"}, About: func() serve.About { return serve.About{} }})
	s := &event.Sample{Conn: event.Conn{ID: 1}, Proc: nginx()}
	s.Totals.Records[0], s.Totals.Bytes[0], s.Next[0] = sent, sent*16384, sent
	total := &s.Lat[0][3]
	total.N[20], total.Sum, total.Max = sent, sent*1_500_000, 2_000_000 // 1 to 2 ms each
	c.Sample(s)
	for range unopened {
		write(t, c, unopenable())
	}
	c.Round()
	r := prometheus.NewRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	return r
}

func nginx() event.Process {
	return event.Process{PID: 42, Comm: event.MakeComm("nginx"), Place: &event.Place{Unit: "nginx.service"}}
}

func unopenable() *event.Error {
	return &event.Error{Conn: event.Conn{ID: 1}, Proc: nginx(), Dir: event.RX, Errno: 74, Func: "tls_rx_one_record", Seq: 5}
}

func write(t *testing.T, to interface{ Write(event.Event) error }, ev event.Event) {
	t.Helper()
	if err := to.Write(ev); err != nil {
		t.Fatal(err)
	}
}

// push sends by OTLP what serve would, to where variables say, until the test ends.
func push(t *testing.T, variables map[string]string) *otlp.Push {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")
	t.Setenv("OTEL_BLRP_SCHEDULE_DELAY", "100")
	p, err := otlp.Start(otlp.Config{Version: "test", Gatherer: counted(t), Clock: wall{}, Notice: func(line string) { t.Error(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// wall is a clock of a machine that has just started.
type wall struct{}

func (wall) Offset(uint64) int64 { return time.Now().UnixNano() }

// TestMetricsByOTLP pushes to VictoriaMetrics, and asks it as if it had scraped. (Debian builds its Prometheus without the
// receiver for OTLP.)
func TestMetricsByOTLP(t *testing.T) {
	s := startServer(t, "victoria-metrics", "/health", func(address, data string) []string {
		return []string{"-httpListenAddr=" + address, "-storageDataPath=" + data, "-opentelemetry.usePrometheusNaming", "-search.latencyOffset=0s"}
	})
	push(t, map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": s.url + "/opentelemetry/v1/metrics"})
	nginx := `{comm="nginx", unit="nginx.service", `
	for query, want := range map[string]string{
		`ktlstop_records_total` + nginx + `direction="tx", type="data"}`:                            fmt.Sprint(sent),
		`ktlstop_record_bytes_total` + nginx + `direction="tx"}`:                                    fmt.Sprint(sent * 16384),
		`ktlstop_errors_total` + nginx + `direction="rx", errno="EBADMSG"}`:                         fmt.Sprint(unopened),
		`ktlstop_key_records_max` + nginx + `direction="tx"}`:                                       fmt.Sprint(sent),
		`ktlstop_lost_total{cause="ring_full"}`:                                                     "0",
		`histogram_quantile(1, ktlstop_record_duration_seconds_bucket` + nginx + `direction="tx"})`: "0.002097152",
		`round(1e6 * ktlstop_record_duration_seconds_sum` + nginx + `direction="tx"})`:              fmt.Sprint(sent * 1500),
	} {
		await(t, query, func() error {
			got, err := s.promql(query)
			if err == nil && got != want {
				err = fmt.Errorf("%q, want %q", got, want)
			}
			return err
		})
	}
}

// promql asks for one number, or "" where there is none.
func (s *server) promql(query string) (string, error) {
	b, err := s.try(http.MethodGet, "/api/v1/query?query="+url.QueryEscape(query), "", nil)
	if err != nil {
		return "", err
	}
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Data.Result) == 0 {
		return "", err
	}
	return answer.Data.Result[0].Value[1].(string), nil
}

// TestEventsByOTLP pushes a rare event to VictoriaLogs, which has it by its name, with its attributes.
func TestEventsByOTLP(t *testing.T) {
	logs := startServer(t, "victoria-logs", "/health", func(address, data string) []string {
		return []string{"-httpListenAddr=" + address, "-storageDataPath=" + data}
	})
	p := push(t, map[string]string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": logs.url + "/insert/opentelemetry/v1/logs"})
	write(t, p, unopenable())
	await(t, "the event", func() error {
		rows := logs.logs(`event_name:=ktls.record.error`)
		if len(rows) != 1 {
			return fmt.Errorf("%d events", len(rows))
		}
		for field, want := range map[string]string{"severity_text": "ERROR", "error.type": "EBADMSG", "thread.name": "nginx", "process.pid": "42",
			"ktls.unit": "nginx.service", "ktls.func": "tls_rx_one_record", "network.io.direction": "receive", "service.name": "ktlstop"} {
			if got := rows[0][field]; got != want {
				t.Errorf("%s is %q, want %q", field, got, want)
			}
		}
		return nil
	})
}

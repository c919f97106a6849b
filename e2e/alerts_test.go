package e2e

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ktlstop/ktlstop/internal/tlsnic"
	"github.com/ktlstop/ktlstop/pkg/ktls/raw"
)

// TestAlertsFire scrapes ktlstop serve with a real Prometheus and the shipped alert rules, provokes
// the alerts, and runs all queries of the dashboard. promtool tests the rules that compare with
// yesterday (internal/observe).
func TestAlertsFire(t *testing.T) {
	onlyOn(t, "7.3") // it changes keys, which needs 6.14
	cable := tlsnic.Lay(t)
	prom := startPrometheus(t)
	serve := startServe(t, "--ring-bytes", "65536", "--stages", "on", "--histograms", "stages")
	prom.scrape(strings.TrimPrefix(serve.url, "http://"))
	prom.awaitAnswer(`up == 1`) // events before its first scrape are no increase

	key := security{"1.3", "AES-GCM-128", "sw"}
	worn := newExpiringPair(t, key)
	defer worn.close()
	worn.sendControl(t, 21, []byte{2, 20}) // a fatal bad_record_mac
	card := newPairOver(t, security{"1.2", "AES-GCM-128", "hw"}, func(t *testing.T) (a, b *net.TCPConn) { return cable.Connect(t, false) })
	refuseCipher(t, 10)
	breakRecords(t, key, 20)
	p := newPair(t, key)
	defer p.close()
	prom.awaitFiring(func() { // again and again, since a late scrape may see nothing of a window
		rekey(t, p, 50)
		refuseCipher(t, 1)
		breakRecords(t, key, 1)
	}, "KtlstopBadRecords", "KtlstopKeyUpdateStorm", "KtlstopKeyNearLimit", "KtlstopSetupFailures")
	prom.askDashboard()
	card.close() // other kernels have the ciphers
	prom.awaitFiring(rest, "KtlstopOffloadLost")

	must(t, serve.cmd.Process.Signal(syscall.SIGSTOP))
	for range 100 { // four events each, for which the ring has no room
		newPair(t, key).close()
	}
	prom.awaitFiring(rest, "KtlstopDown")
	must(t, serve.cmd.Process.Signal(syscall.SIGCONT))
	prom.awaitFiring(rest, "KtlstopLosses")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// newExpiringPair is a connection whose key has sealed and opened almost as many records as AES-GCM
// allows.
func newExpiringPair(t *testing.T, s security) *pair {
	t.Helper()
	p := &pair{info: rawInfo(s), connect: tcpPair}
	p.info.Seq = 23_000_000
	p = p.another(t)
	p.send(t, pattern(10, 1), 0)
	p.recv(t, 10, 10)
	return p
}

// refuseCipher requests a cipher that no kernel has.
func refuseCipher(t *testing.T, times int) {
	t.Helper()
	p := newPlain(t)
	defer p.close()
	must(t, unix.SetsockoptString(p.a, unix.SOL_TCP, unix.TCP_ULP, "tls"))
	info := binary.NativeEndian.AppendUint16(nil, 0x0304)
	info = append(binary.NativeEndian.AppendUint16(info, 9999), make([]byte, 36)...)
	for range times {
		if err := unix.SetsockoptString(p.a, unix.SOL_TLS, 1, string(info)); err != unix.EINVAL {
			t.Fatalf("TLS_TX: %v, want EINVAL", err)
		}
	}
}

// breakRecords receives records that were sealed with another key, on a connection each.
func breakRecords(t *testing.T, s security, times int) {
	t.Helper()
	for range times {
		bad := pairWithWrongKey(t, rawInfo(s))
		bad.send(t, pattern(70, 3), 0)
		if _, _, err := unix.Recvfrom(bad.b, make([]byte, 100), 0); err != unix.EBADMSG {
			t.Fatalf("read: %v, want EBADMSG", err)
		}
		bad.close()
	}
}

// rekey changes the key that p sends with, and that it is received with, the given number of times.
func rekey(t *testing.T, p *pair, times int) {
	t.Helper()
	update := []byte{24, 0, 0, 1, 0} // KeyUpdate, update_not_requested (RFC 8446 section 4.6.3)
	for range times {
		p.sendControl(t, 22, update)
		p.recvControl(t, 10)
		p.info.Key[0]++
		must(t, raw.SetKeys(p.conns[0], raw.TX, &p.info))
		must(t, raw.SetKeys(p.conns[1], raw.RX, &p.info))
	}
}

// prometheus is a running Prometheus that scrapes every other second.
type prometheus struct {
	t   *testing.T
	url string
	// targets is the file with its scrape targets.
	targets string
}

// startPrometheus runs make engines' Prometheus with the shipped rules, whose minutes become
// seconds, without waiting times ("for").
func startPrometheus(t *testing.T) *prometheus {
	t.Helper()
	binary, err := filepath.EvalSymlinks("../bin/engines/usr/bin/prometheus")
	if err != nil {
		t.Fatalf("Prometheus is missing: make engines (%v)", err)
	}
	rules, err := os.ReadFile("../deploy/prometheus/ktlstop.rules.yml")
	must(t, err)
	quick := regexp.MustCompile(`\[(5|10)m\]`).ReplaceAll(rules, []byte("["+ruleWindow+"]"))
	quick = regexp.MustCompile(`(?m)^ +for: .*\n`).ReplaceAll(quick, nil)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "rules.yml"), quick, 0o600))
	p := &prometheus{t: t, url: "http://" + freeAddress(t), targets: filepath.Join(dir, "targets.json")}
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), fmt.Appendf(nil, `
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: ktlstop, file_sd_configs: [{files: [%q], refresh_interval: 1s}]}]
`, p.targets), 0o600))
	start(t, exec.Command(binary, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+strings.TrimPrefix(p.url, "http://"), "--enable-feature=created-timestamp-zero-ingestion"))
	return p
}

// scrape sets the scrape target.
func (p *prometheus) scrape(address string) {
	p.t.Helper()
	must(p.t, os.WriteFile(p.targets, fmt.Appendf(nil, `[{"targets": [%q]}]`, address), 0o600))
}

// The rules' time ranges are short here, and the dashboard's covers the whole test.
const ruleWindow, dashboardWindow = "30s", "15m"

// get queries Prometheus and decodes the data of the answer.
func (p *prometheus) get(path string, data any) error {
	resp, err := http.Get(p.url + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(b, &answer); err != nil {
		return fmt.Errorf("%s: %w", b, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// rest is a pause between two queries: Prometheus does not report changes by itself.
func rest() { time.Sleep(200 * time.Millisecond) }

// awaitAnswer returns when there is an answer to a query.
func (p *prometheus) awaitAnswer(query string) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); rest() {
		var answer struct{ Result []any }
		if err = p.get("/api/v1/query?query="+url.QueryEscape(query), &answer); err == nil && len(answer.Result) > 0 {
			return
		}
	}
	p.t.Fatalf("not within %v: no answer to %s (%v)", patience, query, err)
}

// awaitFiring returns when each of these alerts has fired. Between two queries it calls a function,
// such as one that provokes them.
func (p *prometheus) awaitFiring(meanwhile func(), alerts ...string) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); meanwhile() {
		var now struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
		err = p.get("/api/v1/alerts", &now)
		for _, a := range now.Alerts {
			if a.State == "firing" {
				alerts = slices.DeleteFunc(alerts, func(name string) bool { return name == a.Labels["alertname"] })
			}
		}
		if err == nil && len(alerts) == 0 {
			return
		}
	}
	var series any
	_ = p.get("/api/v1/query?query="+url.QueryEscape(`{__name__=~"ktlstop_(errors|key_updates|setup_failures|lost)_total"}`), &series)
	p.t.Fatalf("not within %v: %v do not fire (%v); Prometheus has %v", patience, alerts, err, series)
}

// askDashboard runs the query of each panel of the dashboard; all have a result except those about
// features that are not available here.
func (p *prometheus) askDashboard() {
	p.t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	b, err := os.ReadFile("../deploy/grafana/ktlstop.json")
	must(p.t, err)
	must(p.t, json.Unmarshal(b, &board))
	variables := strings.NewReplacer("${by:csv}", "comm, unit", "$__rate_interval", dashboardWindow, "$instance", ".*", "$comm", ".*",
		"$unit", ".*", "$namespace", ".*", "$pod", ".*")
	asked := 0
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			query := variables.Replace(target.Expr)
			if panel.Title == "Hooks missing" || panel.Title == "Not delivered by OTLP" {
				must(p.t, p.get("/api/v1/query?query="+url.QueryEscape(query), new(any)))
			} else {
				p.awaitAnswer(query) // a scrape may have been late
			}
			asked++
		}
	}
	if asked < 30 {
		p.t.Errorf("the dashboard asks %d things only", asked)
	}
}

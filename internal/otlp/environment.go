package otlp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Variables of OpenTelemetry that are not specific to one signal's exporter.
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envMetricInterval = "OTEL_METRIC_EXPORT_INTERVAL"
	envMetricTimeout  = "OTEL_METRIC_EXPORT_TIMEOUT"
	envQueueSize      = "OTEL_BLRP_MAX_QUEUE_SIZE"
	envBatchSize      = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"
	envBatchDelay     = "OTEL_BLRP_SCHEDULE_DELAY"
	envBatchTimeout   = "OTEL_BLRP_EXPORT_TIMEOUT"
)

// maxQueue limits OTEL_BLRP_MAX_QUEUE_SIZE: a record takes about 5 KB (BenchmarkEvent).
const maxQueue = 65536

// maxMillis limits times: a day.
const maxMillis = 24 * 3600 * 1000

// signal has the names of the variables of one kind of telemetry, and its path below the receiver's
// URL.
type signal struct{ exporter, infix, path string }

var (
	metricsSignal = signal{exporter: "OTEL_METRICS_EXPORTER", infix: "METRICS_", path: "/v1/metrics"}
	logsSignal    = signal{exporter: "OTEL_LOGS_EXPORTER", infix: "LOGS_", path: "/v1/logs"}
)

// settings say where a signal goes, and how.
type settings struct {
	url     string
	header  http.Header
	gzip    bool
	timeout time.Duration // for one request
	tls     files
}

// check reads the files that s names, if it is not nil.
func (s *settings) check() error {
	if s == nil {
		return nil
	}
	_, err := s.tls.config()
	return err
}

// variable returns the value of OTEL_EXPORTER_OTLP_METRICS_NAME, or of OTEL_EXPORTER_OTLP_NAME if
// that is not set, and the name of the variable used.
func (s signal) variable(name string) (variable, value string) {
	for _, variable = range []string{"OTEL_EXPORTER_OTLP_" + s.infix + name, "OTEL_EXPORTER_OTLP_" + name} {
		if value = os.Getenv(variable); value != "" {
			return variable, value
		}
	}
	return variable, ""
}

// settings reads the environment. They are nil if it names no receiver, or switches the signal off.
// The error is one line without any value, because some values are secrets.
func (s signal) settings() (*settings, error) {
	if _, endpoint := s.variable("ENDPOINT"); endpoint == "" || strings.EqualFold(os.Getenv(envDisabled), "true") {
		return nil, nil
	}
	switch os.Getenv(s.exporter) {
	case "", "otlp":
	case "none":
		return nil, nil
	default:
		return nil, fmt.Errorf("%s: there are otlp and none", s.exporter)
	}
	set := &settings{}
	for _, read := range []func(*settings) error{s.endpoint, s.protocol, s.headers, s.compression, s.time, s.certificates} {
		if err := read(set); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// endpoint: the URL for all signals is a base, a signal's own URL is used as it is.
func (s signal) endpoint(set *settings) error {
	variable, value := s.variable("ENDPOINT")
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%s: a URL such as http://localhost:4318 is wanted", variable)
	}
	if u.User != nil {
		return fmt.Errorf("%s: a name and a password in the URL are not sent: put them into OTEL_EXPORTER_OTLP_HEADERS", variable)
	}
	if !strings.Contains(variable, s.infix) {
		u = u.JoinPath(s.path)
	}
	set.url = u.String()
	return nil
}

func (s signal) protocol(*settings) error {
	if variable, value := s.variable("PROTOCOL"); value != "" && value != "http/protobuf" {
		return fmt.Errorf("%s: only http/protobuf is spoken: take the receiver's port for it, which is 4318 as a rule", variable)
	}
	return nil
}

func (s signal) headers(set *settings) error {
	variable, value := s.variable("HEADERS")
	set.header = http.Header{}
	if value == "" {
		return nil
	}
	for header := range strings.SplitSeq(value, ",") {
		key, raw, ok := strings.Cut(header, "=")
		key = strings.TrimSpace(key)
		text, err := url.PathUnescape(strings.TrimSpace(raw))
		if !ok || err != nil || !isToken(key) || strings.ContainsFunc(text, isControl) {
			return fmt.Errorf("%s: a list of key=value is wanted, with commas between and the values percent-encoded", variable)
		}
		set.header.Set(key, text)
	}
	return nil
}

// exposed is the host to which headers are sent unencrypted over a network; empty if there are no
// headers, or nobody can read them.
func (s *settings) exposed() string {
	if s == nil || len(s.header) == 0 {
		return ""
	}
	u, err := url.Parse(s.url)
	if err != nil || u.Scheme != "http" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback() {
		return ""
	}
	return u.Host
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func (s signal) compression(set *settings) error {
	variable, value := s.variable("COMPRESSION")
	if value != "" && value != "none" && value != "gzip" {
		return fmt.Errorf("%s: there are gzip and none", variable)
	}
	set.gzip = value == "gzip"
	return nil
}

func (s signal) time(set *settings) (err error) {
	variable, _ := s.variable("TIMEOUT")
	set.timeout, err = millisFromEnv(variable, 10*time.Second)
	return err
}

func (s signal) certificates(set *settings) error {
	set.tls = files{s.file("CERTIFICATE"), s.file("CLIENT_CERTIFICATE"), s.file("CLIENT_KEY")}
	if (set.tls.certificate.name == "") != (set.tls.key.name == "") {
		return errors.New("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: both are wanted, or none")
	}
	return nil
}

func (s signal) file(name string) file {
	variable, value := s.variable(name)
	return file{variable, value}
}

// isToken matches the name of an HTTP field (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return s != ""
}

// queueFromEnv returns the size of the event queue, and how it is emptied.
func queueFromEnv() (cfg queueConfig, err error) {
	var errs [4]error
	cfg.size, errs[0] = wholeFromEnv(envQueueSize, 2048, maxQueue)
	cfg.batch, errs[1] = wholeFromEnv(envBatchSize, 512, maxQueue)
	cfg.delay, errs[2] = millisFromEnv(envBatchDelay, time.Second)
	cfg.timeout, errs[3] = millisFromEnv(envBatchTimeout, 30*time.Second)
	cfg.batch = min(cfg.batch, cfg.size)
	return cfg, first(errs[:]...)
}

// pushFromEnv returns how often metrics are pushed, and how long one push may take.
func pushFromEnv() (interval, timeout time.Duration, err error) {
	var errs [2]error
	interval, errs[0] = millisFromEnv(envMetricInterval, time.Minute)
	timeout, errs[1] = millisFromEnv(envMetricTimeout, 30*time.Second)
	return interval, timeout, first(errs[:]...)
}

// first is the error to report: several in one environment are usually the same.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func millisFromEnv(variable string, otherwise time.Duration) (time.Duration, error) {
	n, err := wholeFromEnv(variable, int(otherwise.Milliseconds()), maxMillis)
	return time.Duration(n) * time.Millisecond, err
}

func wholeFromEnv(variable string, otherwise, most int) (int, error) {
	value := os.Getenv(variable)
	if value == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%s: a whole number from 1 to %d is wanted", variable, most)
	}
	return n, nil
}

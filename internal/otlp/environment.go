package otlp

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Variables that this package reads itself, of those that OpenTelemetry names. The
// exporters read the others: headers, certificates, compression, timeouts.
const (
	envDisabled     = "OTEL_SDK_DISABLED"
	envQueueSize    = "OTEL_BLRP_MAX_QUEUE_SIZE"
	envBatchSize    = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"
	envBatchDelay   = "OTEL_BLRP_SCHEDULE_DELAY"
	envBatchTimeout = "OTEL_BLRP_EXPORT_TIMEOUT"
)

// maxQueue bounds what OTEL_BLRP_MAX_QUEUE_SIZE may ask for: a record takes about 3 KB.
const maxQueue = 65536

// signal is what the variables of one kind of telemetry are called.
type signal struct{ exporter, infix string }

var (
	metricsSignal = signal{exporter: "OTEL_METRICS_EXPORTER", infix: "METRICS_"}
	logsSignal    = signal{exporter: "OTEL_LOGS_EXPORTER", infix: "LOGS_"}
)

// setting returns the value of OTEL_EXPORTER_OTLP_METRICS_NAME, or of OTEL_EXPORTER_OTLP_NAME
// where that is not set, and which of the two it is.
func (s signal) setting(name string) (variable, value string) {
	for _, variable = range []string{"OTEL_EXPORTER_OTLP_" + s.infix + name, "OTEL_EXPORTER_OTLP_" + name} {
		if value = os.Getenv(variable); value != "" {
			return variable, value
		}
	}
	return "", ""
}

// wanted says whether the environment asks for the signal: it names a receiver, and
// switches nothing off. The error is what is wrong with it; it has no value of a variable
// that may hold a secret.
func (s signal) wanted() (bool, error) {
	variable, endpoint := s.setting("ENDPOINT")
	if endpoint == "" || strings.EqualFold(os.Getenv(envDisabled), "true") {
		return false, nil
	}
	switch os.Getenv(s.exporter) {
	case "", "otlp":
	case "none":
		return false, nil
	default:
		return false, fmt.Errorf("%s: there are otlp and none", s.exporter)
	}
	if err := checkEndpoint(variable, endpoint); err != nil {
		return false, err
	}
	if variable, value := s.setting("PROTOCOL"); value != "" && value != "http/protobuf" {
		return false, fmt.Errorf("%s: only http/protobuf is spoken: take the receiver's port for it, which is 4318 as a rule", variable)
	}
	return true, s.checkHeaders()
}

// checkEndpoint: the exporters take anything for an address, and fail with each push.
func checkEndpoint(variable, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%s: a URL such as http://localhost:4318 is wanted", variable)
	}
	if u.User != nil {
		return fmt.Errorf("%s: a name and a password in the URL are not sent: put them into OTEL_EXPORTER_OTLP_HEADERS", variable)
	}
	return nil
}

// checkHeaders finds what the exporters would print, secrets included, and leave out.
func (s signal) checkHeaders() error {
	variable, value := s.setting("HEADERS")
	if value == "" {
		return nil
	}
	for header := range strings.SplitSeq(value, ",") {
		key, text, ok := strings.Cut(header, "=")
		if _, err := url.PathUnescape(text); !ok || err != nil || !isToken(strings.TrimSpace(key)) {
			return fmt.Errorf("%s: a list of key=value is wanted, with commas between and the values percent-encoded", variable)
		}
	}
	return nil
}

// isToken is of names of HTTP's fields (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return s != ""
}

// queueFromEnv is how large the queue of events is, and how it is emptied.
func queueFromEnv() (queueConfig, error) {
	cfg := queueConfig{size: 2048, batch: 512, delay: time.Second, timeout: 30 * time.Second}
	var delay, timeout int // milliseconds
	for _, v := range []struct {
		variable  string
		into      *int
		otherwise int
		most      int
	}{
		{envQueueSize, &cfg.size, cfg.size, maxQueue},
		{envBatchSize, &cfg.batch, cfg.batch, maxQueue},
		{envBatchDelay, &delay, int(cfg.delay.Milliseconds()), 600_000},
		{envBatchTimeout, &timeout, int(cfg.timeout.Milliseconds()), 600_000},
	} {
		var err error
		if *v.into, err = wholeFromEnv(v.variable, v.otherwise, v.most); err != nil {
			return cfg, err
		}
	}
	cfg.batch = min(cfg.batch, cfg.size)
	cfg.delay, cfg.timeout = time.Duration(delay)*time.Millisecond, time.Duration(timeout)*time.Millisecond
	return cfg, nil
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

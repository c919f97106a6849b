package otlp

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// env sets the variables of a test, and unsets all others of OpenTelemetry.
func env(t *testing.T, vars string) {
	t.Helper()
	for _, v := range strings.Fields(vars) {
		key, value, _ := strings.Cut(v, "=")
		t.Setenv(key, value)
	}
}

func TestWanted(t *testing.T) {
	const base, metrics, logs = "OTEL_EXPORTER_OTLP_ENDPOINT=", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="
	for vars, want := range map[string][2]bool{
		"":                          {false, false},
		base + "http://a:4318":      {true, true},
		base + "https://a/otlp":     {true, true},
		metrics + "http://a:4318/x": {true, false},
		logs + "http://a:4318/x":    {false, true},
		base + "http://a " + "OTEL_SDK_DISABLED=true":               {false, false},
		base + "http://a OTEL_SDK_DISABLED=TRUE":                    {false, false},
		base + "http://a OTEL_SDK_DISABLED=false":                   {true, true},
		base + "http://a OTEL_METRICS_EXPORTER=none":                {false, true},
		base + "http://a OTEL_LOGS_EXPORTER=none":                   {true, false},
		base + "http://a OTEL_LOGS_EXPORTER=otlp":                   {true, true},
		base + "http://a OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf": {true, true},
		base + "http://a OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf OTEL_LOGS_EXPORTER=none": {true, false},
		base + "http://a OTEL_EXPORTER_OTLP_HEADERS=a=b,x-c=d%20e":                                                                   {true, true},
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                                                                                           {false, false},
	} {
		t.Run(vars, func(t *testing.T) {
			env(t, vars)
			w, err := fromEnv()
			if err != nil || w.metrics != nil != want[0] || w.logs != nil != want[1] {
				t.Errorf("metrics %v, logs %v, %v", w.metrics, w.logs, err)
			}
			if any, err := Wanted(); err != nil || any != (want[0] || want[1]) {
				t.Errorf("together: %v, %v", any, err)
			}
		})
	}
}

// Invalid variables: one line that names the variable, and contains no secret.
func TestWrongEnvironment(t *testing.T) {
	for vars, variable := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":                                                  "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=secret":                                                          "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://":                                                         "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:secret":                                                 "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://me:secret@a":                                              "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=ftp://secret":                                               "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_PROTOCOL=grpc":                       "OTEL_EXPORTER_OTLP_PROTOCOL",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json":          "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_METRICS_EXPORTER=prometheus":                       "OTEL_METRICS_EXPORTER",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_HEADERS=secret":                      "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_HEADERS=a(b=secret":                  "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_LOGS_HEADERS=a=secret%zz":            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_BLRP_MAX_QUEUE_SIZE=secret":                        envQueueSize,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_BLRP_MAX_QUEUE_SIZE=1000000000":                    envQueueSize,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_METRIC_EXPORT_INTERVAL=-1 OTEL_LOGS_EXPORTER=none": envMetricInterval,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_RESOURCE_ATTRIBUTES=secret":                        envResource,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_COMPRESSION=secret":                  "OTEL_EXPORTER_OTLP_COMPRESSION",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_LOGS_TIMEOUT=secret":                 "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_EXPORTER_OTLP_CERTIFICATE=/secret":                 "OTEL_EXPORTER_OTLP_CERTIFICATE",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://a OTEL_BLRP_SCHEDULE_DELAY=0":                             envBatchDelay,
	} {
		t.Run(vars, func(t *testing.T) {
			env(t, vars)
			p, err := Start(Config{Notice: new(reported).tell})
			if p != nil {
				p.Close()
			}
			if err == nil {
				t.Fatal("no error")
			}
			if _, early := Wanted(); early == nil || early.Error() != err.Error() {
				t.Errorf("before the start the error is %v", early)
			}
			if !strings.HasPrefix(err.Error(), variable+": ") || strings.Contains(strings.ReplaceAll(err.Error(), "/secret", ""), "secret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// Headers that others on the network can read are reported at the start, once for each
// host and without their values.
func TestExposedHeaders(t *testing.T) {
	const base, headers = "OTEL_EXPORTER_OTLP_ENDPOINT=", " OTEL_EXPORTER_OTLP_HEADERS=authorization=secret"
	for vars, hosts := range map[string][]string{
		base + "http://192.0.2.1:4318" + headers:                                         {"192.0.2.1:4318"},
		base + "http://a" + headers + " OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://b/x":     {"a", "b"},
		base + "https://a" + headers + " OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://b/x": {"b"},
		base + "http://a OTEL_EXPORTER_OTLP_LOGS_HEADERS=a=b OTEL_LOGS_EXPORTER=none":    nil,
		base + "https://a" + headers:                                                     nil,
		base + "http://a":                                                                nil,
		base + "http://localhost:1" + headers:                                            nil,
		base + "http://127.0.0.1:1" + headers:                                            nil,
		base + "http://[::1]:1" + headers:                                                nil,
	} {
		t.Run(vars, func(t *testing.T) {
			env(t, vars)
			w, err := fromEnv()
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			w.warn(func(line string) { got = append(got, line) })
			for _, host := range hosts {
				want = append(want, "OTLP: the headers for "+host+" are not encrypted: use https")
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestQueueFromEnv(t *testing.T) {
	cfg, err := queueFromEnv()
	if err != nil || cfg != (queueConfig{size: 2048, batch: 512, delay: time.Second, timeout: 30 * time.Second}) {
		t.Errorf("%+v, %v", cfg, err)
	}
	env(t, envQueueSize+"=100 "+envBatchDelay+"=250 "+envBatchTimeout+"=5000")
	cfg, err = queueFromEnv()
	if err != nil || cfg != (queueConfig{size: 100, batch: 100, delay: time.Second / 4, timeout: 5 * time.Second}) {
		t.Errorf("%+v, %v", cfg, err)
	}
}

package otlp

import (
	"time"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
)

// The names of the events in docs/otlp.md.
const (
	recordError     = "ktls.record.error"
	connectionAbort = "ktls.connection.abort"
	alertRecord     = "ktls.alert"
	keyUpdate       = "ktls.key_update"
	recordSlow      = "ktls.record.slow"
	setupFailed     = "ktls.setup.failed"
	connectionOpen  = "ktls.connection.open"
	connectionClose = "ktls.connection.close"
	traceLost       = "ktls.trace.lost"
	agentDegraded   = "ktls.agent.degraded"
	agentDetached   = "ktls.agent.detached"
)

// severity is the severity of an event, as OpenTelemetry numbers it.
type severity = logs.SeverityNumber

const (
	info    = logs.SeverityNumber_SEVERITY_NUMBER_INFO
	warning = logs.SeverityNumber_SEVERITY_NUMBER_WARN
	severe  = logs.SeverityNumber_SEVERITY_NUMBER_ERROR
)

var severityTexts = map[severity]string{info: "INFO", warning: "WARN", severe: "ERROR"}

// fact is an event to be sent.
type fact struct {
	name     string
	severity severity
	mono     uint64 // CLOCK_MONOTONIC in nanoseconds; 0 for now
	// count is the number of events that it stands for, if not 0; state is for facts that
	// begin and end.
	count uint64
	state string
	attrs attributes
}

// record makes the log record. An event has no body: everything is in its attributes.
func (f *fact) record(at, seen time.Time) *logs.LogRecord {
	a := append(attributes(nil), f.attrs...)
	a.number("ktls.count", f.count)
	a.text("ktls.state", f.state)
	return &logs.LogRecord{EventName: f.name, SeverityNumber: f.severity, SeverityText: severityTexts[f.severity],
		TimeUnixNano: uint64(at.UnixNano()), ObservedTimeUnixNano: uint64(seen.UnixNano()), Attributes: a}
}

package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

// The events' names, of docs/otlp.md.
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

// fact is an event on its way out.
type fact struct {
	name     string
	severity log.Severity
	mono     uint64 // CLOCK_MONOTONIC in nanoseconds; 0 for now
	// count is how many the event stands for, if not 0; state is of those that begin and end.
	count uint64
	state string
	attrs []attribute.KeyValue
}

// record makes the log record. An event has no body: all is in its attributes.
func (f *fact) record() (r log.Record) {
	r.SetEventName(f.name)
	r.SetSeverity(f.severity)
	r.SetSeverityText(f.severity.String())
	r.AddAttributes(f.attrs...)
	if f.count > 0 {
		r.AddAttributes(whole("ktls.count", f.count))
	}
	if f.state != "" {
		r.AddAttributes(attribute.String("ktls.state", f.state))
	}
	return r
}

// Package otlp pushes metrics and rare events to an OpenTelemetry receiver, by OTLP over
// HTTP: the metrics of a Prometheus registry, and errors, alerts, new keys and losses as
// log records with an event name. docs/otlp.md lists them.
//
// Callers never wait: events go into a bounded queue, a goroutine of its own gathers the
// metrics, and data that the receiver does not accept is counted. The package copies
// only numbers, names and addresses from a record (see record), so no plaintext can
// leave.
package otlp

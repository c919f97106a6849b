// Package otlp pushes metrics and rare events to an OpenTelemetry receiver, by OTLP over
// HTTP: the metrics of a Prometheus registry, and errors, alerts, new keys and losses as
// log records with an event name. docs/otlp.md lists them.
//
// Nobody who hands something over waits: events go into a bounded queue, metrics are
// gathered by a goroutine of their own, and what the receiver does not take is counted.
// Of a record nothing but numbers is taken over (see record), so that no plaintext can
// leave.
package otlp

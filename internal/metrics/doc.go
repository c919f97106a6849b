// Package metrics adds up what a tracer tells into groups of connections, a program or a
// service each, and shows them as metrics of Prometheus. A group is what becomes a label:
// an address, a port, a process or a connection never does, so that their number bounds
// nothing here. What a scrape costs depends on the groups alone.
package metrics

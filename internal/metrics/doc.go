// Package metrics adds up the events and sums of a tracer in groups of connections, one
// for each program or service, and exports them as Prometheus metrics. A group is a set
// of label values. An address, a port, a process or a connection never becomes a label,
// because their number has no limit. The cost of a scrape depends only on the number of
// groups.
package metrics

// Package observe holds what one looks at where Prometheus has ktlstop's metrics: the generator of the Grafana dashboard,
// and the tests of the dashboard, of the alert rules and of their runbooks.
//
// It is a module of its own, since Grafana's and Prometheus's libraries bring much along that ktlstop does not need.
package observe

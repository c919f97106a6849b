package observe

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	serve "github.com/ktlstop/ktlstop/internal/metrics"
	"github.com/ktlstop/ktlstop/internal/otlp"
)

// scraped are labels that Prometheus adds.
var scraped = []string{"instance", "job"}

// metrics has the labels of each metric that serve reports, with all that a group can have, and of what Prometheus itself knows.
var metrics = described()

// described asks serve's own collectors. A description says its parts as text only.
func described() map[string][]string {
	collector, err := serve.New(serve.Config{GroupBy: []string{"comm", "unit", "namespace", "pod", "container"}, MaxGroups: 1})
	if err != nil {
		panic(err)
	}
	all := make(chan *prometheus.Desc, 100)
	collector.Describe(all)
	serve.TLSStat{}.Describe(all)
	new(otlp.Push).Describe(all)
	close(all)
	found := map[string][]string{"up": nil, "process_start_time_seconds": nil} // Prometheus's own, and client_golang's
	parts := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	for d := range all {
		p := parts.FindStringSubmatch(d.String())
		if p == nil {
			panic("a description that cannot be read: " + d.String())
		}
		found[p[1]] = strings.FieldsFunc(p[2], func(r rune) bool { return r == ',' })
	}
	return found
}

// TestDescribed: a metric of each kind is found with its labels.
func TestDescribed(t *testing.T) {
	group := []string{"comm", "unit", "namespace", "pod", "container"}
	for name, want := range map[string][]string{
		"ktlstop_errors_total":             slices.Concat(group, []string{"direction", "errno", "func"}),
		"ktlstop_connections_closed_total": group,
		"ktlstop_lost_total":               {"cause"},
		"ktlstop_groups":                   {},
		"ktlstop_tls_stat_curr_tx_device":  {},
	} {
		if got, ok := metrics[name]; !ok || !slices.Equal(got, want) {
			t.Errorf("%s has the labels %q, want %q", name, got, want)
		}
	}
}

package observe

import (
	"fmt"
	"strings"
)

// The dashboard's variables. Their "all" is ".*", which also matches a label that is not there: so one dashboard serves
// hosts, whose groups have a unit, and Kubernetes, whose groups have a namespace and a pod.
const (
	// ofHost selects the metrics of a host, ofGroup those of its groups.
	ofHost  = `instance=~"$instance"`
	ofGroup = ofHost + `, comm=~"$comm", unit=~"$unit", namespace=~"$namespace", pod=~"$pod"`
	// by is what the reader has chosen to group by, as a list.
	by = `${by:csv}`
)

// series selects a metric of the groups, with more matchers where the caller has some.
func series(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(append([]string{ofGroup}, matchers...), ", ") + "}"
}

// hostSeries selects a metric that has no group.
func hostSeries(metric string) string { return metric + "{" + ofHost + "}" }

// rate is a counter's increase in a second, over what fits the panel's width and the scrape interval.
func rate(selector string) string { return "rate(" + selector + "[$__rate_interval])" }

// sum adds up by the reader's choice and by what the panel tells apart besides.
func sum(of string, labels ...string) string {
	return fmt.Sprintf("sum by (%s) (%s)", strings.Join(append([]string{by}, labels...), ", "), of)
}

// total adds up all that is selected.
func total(of string) string { return "sum(" + of + ")" }

// quantile estimates a quantile of the records' times from the kernel's histogram, whose bounds are powers of two: it is
// right to a factor of two.
func quantile(q float64) string {
	return fmt.Sprintf("histogram_quantile(%v, %s)", q, sum(rate(series("ktlstop_record_duration_seconds_bucket")), "direction", "le"))
}

// mean is the mean time of a stage, of the records that were measured.
func mean() string {
	return sum(rate(series("ktlstop_record_stage_seconds_total")), "direction", "stage") +
		" / " + sum(rate(series("ktlstop_record_stage_measured_total")), "direction", "stage")
}

// keyUse is how much of a key's life is used up: RFC 8446 §5.5 allows 2^24.5 full records under one key of AES-GCM.
func keyUse(selector string) string { return selector + " / 2 ^ 24.5" }

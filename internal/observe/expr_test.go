package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// check returns what is wrong with an expression: it cannot be parsed, or names a metric or a label that serve has not.
func check(expr string) error {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		return err
	}
	has := map[string]bool{}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok && err == nil {
			err = checkSelector(v, has)
		}
		return nil
	})
	if err != nil {
		return err
	}
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		for _, label := range grouping(node) {
			if !has[label] && err == nil {
				err = fmt.Errorf("groups by the label %q, which none of its metrics has", label)
			}
		}
		return nil
	})
	return err
}

// checkSelector notes in has which labels the metric has.
func checkSelector(v *parser.VectorSelector, has map[string]bool) error {
	name, bucket := strings.CutSuffix(v.Name, "_bucket")
	known, ok := metrics[name]
	if !ok {
		return fmt.Errorf("no metric %q", v.Name)
	}
	mine := map[string]bool{"le": bucket}
	for _, label := range slices.Concat(known, scraped) {
		mine[label] = true
	}
	for _, m := range v.LabelMatchers {
		if m.Name != labels.MetricName && !mine[m.Name] {
			return fmt.Errorf("%s has no label %q", v.Name, m.Name)
		}
	}
	maps.Copy(has, mine)
	return nil
}

// grouping are the labels by which a node aggregates or matches.
func grouping(node parser.Node) []string {
	switch n := node.(type) {
	case *parser.AggregateExpr:
		return n.Grouping
	case *parser.BinaryExpr:
		if n.VectorMatching != nil {
			return slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include)
		}
	}
	return nil
}

// TestCheck: the check itself, with expressions that are right and such as are not.
func TestCheck(t *testing.T) {
	for expr, want := range map[string]string{
		`sum by (comm, direction) (rate(ktlstop_records_total{type="data"}[5m]))`:                 "",
		`histogram_quantile(0.9, sum by (le) (rate(ktlstop_record_duration_seconds_bucket[5m])))`: "",
		`ktlstop_connections{mode="sw"} and ignoring (mode) ktlstop_connections{mode="hw"}`:       "",
		`rate(ktlstop_records[5m])`:                                    `no metric "ktlstop_records"`,
		`rate(ktlstop_lost_total{comm="nginx"}[5m])`:                   `ktlstop_lost_total has no label "comm"`,
		`sum by (le) (rate(ktlstop_records_total[5m]))`:                `groups by the label "le"`,
		`ktlstop_connections and ignoring (modes) ktlstop_connections`: `groups by the label "modes"`,
		`sum by (comm (ktlstop_connections)`:                           "parse error",
		`{__name__="ktlstop_connections"}`:                             "no metric",
		`ktlstop_records_total offset 1d unless ktlstop_recordstotal`:  `no metric "ktlstop_recordstotal"`,
	} {
		err := check(expr)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}
